"""The first page: photos come in, here or by the script, and are answered; samples to try; what the model knows."""

import re
from contextlib import closing
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from webapp.domain import ALL_MODELS, NONE_OF_THESE
from webapp.errors import MarqueError, ModelUnavailableError
from webapp.extensions import get_card, get_classifier, get_pipeline
from webapp.http.rate_limits import count_photos
from webapp.http.responses import wants_json
from webapp.inference.models.label_set import every_label
from webapp.services.jobs.queue import new_id
from webapp.services.jobs.types.upload import allowance_of
from webapp.services.models import cards
from webapp.services.photos import classify
from webapp.services.photos import gallery as history
from webapp.services.photos.classify import MAX_BYTES, Incoming, Origin, StoredPhoto
from webapp.services.photos.gallery import Photo
from webapp.storage.labels.events import new_batch
from webapp.views import guards, jobs
from webapp.views.layout import label_groups, model_choices
from webapp.views.photos import samples, session_uploads
from webapp.views.photos.presenters import present_answer, present_item

bp = Blueprint("upload", __name__)


@bp.get("/")
@guards.uploads_open
def index() -> ResponseReturnValue:
    """The form, the latest answer, samples to try, what the model knows and cannot do."""
    return _page()


@bp.post("/")
@guards.uploads_open
def send() -> ResponseReturnValue:
    """Take one photo (303 to it), several (303 to their list), or a zip or very many (303 to their job).

    What is refused is said above the form, which keeps what was typed.
    """
    incoming: list[Incoming] = []
    files = jobs.files_of_form()
    try:
        if jobs.belong_in_a_job(files):
            return _as_job(files)
        incoming = _incoming(files)
        count_photos(len(incoming))
        results = _classify(incoming)
    except MarqueError as error:
        return _refused(error, incoming)
    if wants_json():
        status = (
            results[0].status if len(results) == 1 and isinstance(results[0], MarqueError) else 200
        )
        return jsonify(
            results=[_result(one, result) for one, result in zip(incoming, results, strict=True)]
        ), status
    if len(results) > 1:
        return redirect(
            url_for(
                "upload.several", public_id=classify.store_upload(incoming, results, _choice())
            ),
            303,
        )
    return (
        _refused(results[0], incoming)
        if isinstance(results[0], MarqueError)
        else redirect(_page_of(results[0]), 303)
    )


@bp.get("/uploads/<public_id>")
@guards.uploads_open
def several(public_id: str) -> ResponseReturnValue:
    """What became of each file of an upload."""
    upload, items = history.get_upload(public_id)
    visible = guards.may_browse()
    lines = []
    for result in upload.results:
        item = (
            items.get(result["photo"])
            if visible or session_uploads.was_sent(str(result["photo"]))
            else None
        )
        url = _address(item.photo, result.get("model", ""), again=False) if item else ""
        lines.append(
            {**result, "item": item, "url": url, "shown": present_item(item) if item else None}
        )
    return render_template(
        "photos/several.html",
        upload=upload,
        lines=lines,
        answered=sum(bool(line["photo"]) for line in lines),
    )


@bp.get("/samples/<name>")
@guards.uploads_open
def sample(name: str) -> ResponseReturnValue:
    """One of the sample pictures with its answer; nothing is stored."""
    picture, choice = samples.sample(name), request.args.get("model", "")
    answers = samples.answers(picture, choice)
    return render_template(
        "photos/sample.html",
        sample=picture,
        samples=samples.strip(),
        answers=[(answer, present_answer(answer)) for answer in answers],
        models=model_choices(),
        side_by_side=choice == ALL_MODELS,
    )


def _page(error: MarqueError | None = None) -> ResponseReturnValue:
    card = get_card()
    trouble = _model_trouble() if error is None else None
    latest = history.latest_item() if guards.may_browse() else None
    page = render_template(
        "photos/upload.html",
        card=card,
        error=error or trouble,
        batch=new_batch(),
        kept=request.form.get("ground_truth", ""),
        chosen=_choice(),
        allowance=allowance_of(jobs.owner()),
        models=model_choices(),
        groups=label_groups(verdicts=(NONE_OF_THESE,), retired=False),
        latest=latest,
        latest_shown=present_item(latest) if latest else None,
        stand_in=None if latest else _stand_in(),
        samples=samples.strip() if card and not trouble else [],
        knows=_what_it_knows(),
        found={line.label: line.found for line in cards.label_lines(card)} if card else {},
    )
    said = error or trouble
    wait = said.retry_after if said else None
    return page, said.status if said else 200, {"Retry-After": str(wait)} if wait else {}


def _model_trouble() -> ModelUnavailableError | None:
    try:
        get_classifier()
    except ModelUnavailableError as error:
        return error
    return None


def _stand_in() -> dict[str, Any] | None:
    """On a fresh install a sample stands where the latest photo will, with the answer that the model gave, if it gave one."""
    there = samples.strip() or samples.all_samples()
    if not there:
        return None
    one = there[len(there) // 2]
    answer = samples.answer_if_ready(one)
    return {"sample": one, "shown": present_answer(answer) if answer else None}


def _what_it_knows() -> list[dict[str, Any]]:
    """A tile for each label: its newest checked photo, else its sample, else its colour. Of many labels only those with a picture."""
    card = get_card()
    photos = history.checked_examples()[0] if card and guards.may_browse() else {}
    drawn = {one.name: one for one in samples.all_samples()}
    labels = sorted(every_label(card), key=lambda one: one.display.casefold()) if card else []
    tiles = [
        {"label": one, "photo": photos.get(one.name), "sample": drawn.get(one.name)}
        for one in labels
    ]
    if len(tiles) <= cards.MANY:
        return tiles
    return [tile for tile in tiles if tile["photo"] or tile["sample"]][: cards.MANY]


def _as_job(files: list[FileStorage]) -> ResponseReturnValue:
    """A zip, or many photos: they come in while nobody waits; 303 to the job."""
    job_id = new_id()
    jobs.keep(job_id, files, 1)
    return redirect(url_for("jobs.one", job_id=jobs.enqueue(job_id, files).public_id), 303)


def _incoming(files: list[FileStorage]) -> list[Incoming]:
    """The files of the form. One byte more than allowed is enough to know that a file is too large."""
    incoming = []
    for one in files:
        with closing(one.stream):  # a large upload waits in a temporary file
            incoming.append(Incoming(one.filename or "", one.read(MAX_BYTES + 1)))
    return incoming


def _classify(incoming: list[Incoming]) -> list[StoredPhoto | MarqueError]:
    """Rank and remember the files, and let this browser remember that it sent them."""
    truth = request.form.get("ground_truth", "").strip()
    origin = Origin(guards.who(), ground_truth=truth, batch=_batch())
    results = classify.classify_photos(incoming, get_pipeline(_choice()), origin)
    for result in results:
        if isinstance(result, StoredPhoto):
            session_uploads.remember(result.photo.public_id, result.delete_token)
    return results


def _batch() -> str:
    """What names the files of one form: the script sends each by itself, with the same field."""
    name = request.form.get("batch", "")
    return name if re.fullmatch(r"[\w-]{1,24}", name, re.ASCII) else ""


def _choice() -> str:
    """Who shall look at the photos of the form: a model, "" for the site's, or all."""
    return request.form.get("model", "").strip()


def _refused(error: MarqueError, incoming: list[Incoming]) -> ResponseReturnValue:
    if not wants_json():
        return _page(error)
    wait = error.retry_after
    names = [classify.clean_name(one.filename) for one in incoming] or [""]
    body = jsonify(results=[{"filename": name, "error": str(error)} for name in names])
    return body, error.status, {"Retry-After": str(wait)} if wait else {}


def _result(one: Incoming, result: StoredPhoto | MarqueError) -> dict[str, Any]:
    name = classify.clean_name(one.filename)
    if isinstance(result, MarqueError):
        return {
            "filename": name,
            "url": None,
            "answer": None,
            "thumbnail": None,
            "duplicate": False,
            "error": str(result),
        }
    shown = present_item(history.Item(result.photo, result.outcome))
    return {
        "filename": name,
        "url": _page_of(result),
        "answer": shown.title if shown else "",
        "thumbnail": url_for("gallery.thumbnail", public_id=result.photo.public_id),
        "duplicate": result.duplicate,
        "error": None,
    }


def _page_of(result: StoredPhoto) -> str:
    return _address(result.photo, _choice(), again=result.duplicate)


def _address(photo: Photo, choice: str, *, again: bool) -> str:
    """Where a photo's answer is: on its page, in the view of the model that was asked, or with the answers of all."""
    sent_again = "again" if again else None
    if choice == ALL_MODELS:
        return url_for("gallery.opinions", public_id=photo.public_id, sent=sent_again)
    answered = photo.prediction
    return url_for(
        "gallery.photo",
        public_id=photo.public_id,
        model=answered.model if answered and not answered.shown else None,
        sent=sent_again,
    )
