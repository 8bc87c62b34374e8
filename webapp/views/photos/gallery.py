"""History: the gallery with its filters, one photo with its story, its pictures, and forgetting it."""

from pathlib import PurePath
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import ALL_MODELS, GalleryFilter
from webapp.errors import BadRequestError, ModelNotFoundError, NotAllowedError, PhotoDeletedError
from webapp.extensions import get_files, get_limiter, get_pipeline, get_registry, live_models
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.inference.models.label_set import CurrentLabel, as_current
from webapp.services.accounts import users
from webapp.services.photos import bulk as many
from webapp.services.photos import classify, lookalikes, own_uploads
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.services.photos.gallery import Opinion, Photo, Story
from webapp.services.photos.query_filters import (
    NAMES,
    filter_params,
    parse_day,
    parse_filter,
    without,
)
from webapp.services.stats.training_membership import read_lists
from webapp.views import guards, jobs
from webapp.views.flashes import note
from webapp.views.layout import label_groups, live_cards, model_choices, model_title
from webapp.views.photos import heat_map as heat
from webapp.views.photos import session_uploads
from webapp.views.photos.presenters import FIRST, card_for, present_item, present_prediction
from webapp.views.photos.query_filters import (
    MORE,
    OUTCOME_WORDS,
    SORT_WORDS,
    SOURCE_WORDS,
    asked_model,
    filter_tags,
    version_choices,
)

bp = Blueprint("gallery", __name__)
SIZES = {"large": 24, "small": 56}
KEPT = (*NAMES, "size")
"""Every parameter of the gallery's URL but the cursor and the day to jump to."""


@bp.get("/gallery")
@guards.gallery_open
def index() -> ResponseReturnValue:
    """A page of photos with the filters of the URL. A filter that makes no sense is said above the form; what was typed stays."""
    asked: dict[str, Any] = {
        name: request.args[name].strip() for name in KEPT if request.args.get(name, "").strip()
    }
    size = asked.get("size", "") if asked.get("size") in SIZES else "large"
    error = None
    try:
        wanted = parse_filter(asked)
        asked = filter_params(wanted) | ({"size": size} if "size" in asked else {})
        if request.args.get("jump", "").strip():
            cursor = history.cursor_at(wanted, parse_day(request.args, "jump"))
            return redirect(url_for(".index", **asked, cursor=cursor or None), 303)
        if wanted.learnt:
            read_lists(get_registry())
        page = history.gallery_page(
            wanted, limit=SIZES[size], cursor=request.args.get("cursor", "")
        )
    except BadRequestError as trouble:
        error, wanted, page = trouble, GalleryFilter(), history.Page([], "", "")
    counts = history.outcome_counts(wanted)
    body = render_template(
        "photos/gallery.html",
        page=page,
        tiles=[(item, present_item(item)) for item in page.items],
        asked=asked,
        rest=without(asked, "outcome"),
        size=size,
        counts=counts,
        total=counts[wanted.outcome or "all"],
        words=OUTCOME_WORDS,
        tags=[] if error else filter_tags(asked),
        groups=label_groups(wanted.model),
        choices=label_groups(wanted.model, retired=False),
        versions=version_choices(also=asked_model(asked)),
        chosen=asked_model(asked),
        sorts=SORT_WORDS,
        sources=SOURCE_WORDS,
        people=[user.name for user in users.all_users()] if guards.person() else [],
        more=any(name in asked for name in MORE),
        deleted=_is_admin() and many.anything_waits(),
        error=error,
    )
    return body, 400 if error else 200


@bp.get("/photos/<public_id>")
@guards.photo_open
def photo(public_id: str) -> ResponseReturnValue:
    """One photo: a model's answer in words, every label ranked, what became of it, facts. `?model=` says whose answer."""
    try:
        story = history.get_story(public_id)
    except PhotoDeletedError:
        return _gone(public_id)
    model = request.args.get("model", "")
    opinion = _opinion(story, model)
    said = opinion.prediction if opinion else None
    shown = present_prediction(said) if said else None
    theirs = own_uploads.came_with(public_id, jobs.owner().id)
    return render_template(
        "photos/photo.html",
        heat=heat.offer(public_id, said, shown),
        story=story,
        photo=story.item.photo,
        outcome=opinion.outcome if opinion else "unlabelled",
        prediction=said,
        card=card_for(said) if said else None,
        shown=shown,
        answered=[
            (one.prediction.model, model_title(one.prediction.model)) for one in story.opinions
        ],
        silent=_silent(story),
        looking=said.model if said else model,
        earlier=[(one, present_prediction(one)) for one in story.predictions if not one.current],
        happenings=_happenings(story),
        reference=_reference(story.item.photo),
        first=FIRST,
        same=lookalikes.nearly_same(story.item.photo) if guards.may_browse() else [],
        alike=lookalikes.looks_like(said) if said and guards.may_browse() else [],
        candidates=lookalikes.CANDIDATES,
        token=session_uploads.token_of(public_id),
        theirs=theirs,
        again=request.args.get("sent") == "again",
        mine=theirs or bool(session_uploads.token_of(public_id)),
    )


@bp.get("/photos/<public_id>/models")
@guards.photo_open
def opinions(public_id: str) -> ResponseReturnValue:
    """What each model says about a photo, side by side."""
    story = history.get_story(public_id)
    answers = [
        (one, present_prediction(one.prediction), card_for(one.prediction))
        for one in story.opinions
    ]
    return render_template(
        "photos/predictions.html",
        photo=story.item.photo,
        answers=answers,
        titles={one.prediction.model: model_title(one.prediction.model) for one in story.opinions},
        silent=_silent(story),
        again=request.args.get("sent") == "again",
    )


@bp.post("/photos/<public_id>/models")
@guards.uploads_open
@guards.photo_open
def ask(public_id: str) -> ResponseReturnValue:
    """Let another model look at a photo, or all; what it says is kept."""
    choice = request.form.get("model", "")
    count_photos()
    classify.ask_models(public_id, get_pipeline(choice))
    if choice == ALL_MODELS:
        return redirect(url_for(".opinions", public_id=public_id), 303)
    return redirect(url_for(".photo", public_id=public_id, model=choice or None), 303)


@bp.get("/photos/<public_id>/view")
@guards.photo_open
def view(public_id: str) -> ResponseReturnValue:
    """The large picture."""
    return picture(history.view(public_id, files=get_files(), limiter=get_limiter()))


@bp.get("/photos/<public_id>/thumbnail")
@guards.photo_open
def thumbnail(public_id: str) -> ResponseReturnValue:
    """The small picture."""
    return picture(history.thumbnail(public_id))


@bp.get("/photos/<public_id>/file")
@guards.photo_open
def file(public_id: str) -> ResponseReturnValue:
    """The file to keep. With its metadata only for an admin and for who uploaded it."""
    photo = history.get_item(public_id).photo
    keep = _may_always(public_id) or deleting.may_delete(photo, _token(public_id))
    found = history.original(
        public_id, files=get_files(), limiter=get_limiter(), with_metadata=keep
    )
    return picture(found, download_name=_file_name(photo.filename, found.content_type), varies=True)


@bp.get("/photos/<public_id>/delete")
def delete(public_id: str) -> ResponseReturnValue:
    """Ask once more. Open to an admin, and to whoever has the link that the uploader was given."""
    try:
        photo = history.get_item(public_id).photo
    except PhotoDeletedError:
        return _gone(public_id)
    if not (_may_always(public_id) or deleting.may_delete(photo, _token(public_id))):
        raise NotAllowedError(
            "Only the person who uploaded this photo, or an admin, may delete it."
        )
    visible = guards.may_browse() or guards.sent_here(public_id)
    return render_template(
        "photos/delete.html",
        photo=photo,
        token=_token(public_id),
        visible=visible,
        days=deleting.GRACE.days,
    )


@bp.post("/photos/<public_id>/delete")
def delete_now(public_id: str) -> ResponseReturnValue:
    """Delete a photo: nobody sees it any more, and for some days it can be brought back."""
    token = _token(public_id)
    name = deleting.delete_photo(
        public_id, who=guards.who(), admin=_may_always(public_id), token=token
    )
    back = url_for(
        ".photo",
        public_id=public_id,
        token=token if token and token != session_uploads.token_of(public_id) else None,
    )
    note(
        f"Deleted: {name}. It goes for good in {deleting.GRACE.days} days.",
        link=back,
        link_text="Bring it back",
    )
    return redirect(url_for("gallery.index" if guards.may_browse() else "upload.index"), 303)


@bp.post("/photos/<public_id>/restore")
def restore(public_id: str) -> ResponseReturnValue:
    """Bring a deleted photo back. Open to an admin, and to whoever has its uploader's link."""
    name = deleting.restore_photo(public_id, admin=_may_always(public_id), token=_token(public_id))
    note("Back again:", strong=f"{name}.")
    return redirect(
        url_for(".photo", public_id=public_id)
        if guards.may_browse() or guards.sent_here(public_id)
        else url_for("upload.index"),
        303,
    )


def _gone(public_id: str) -> ResponseReturnValue:
    """The page of a deleted photo: who deleted it, or could, may bring it back."""
    found = deleting.restorable(public_id, admin=_may_always(public_id), token=_token(public_id))
    ends = found.deleted_at + deleting.GRACE if found and found.deleted_at else None
    return render_template(
        "photos/gone.html", photo=found, public_id=public_id, token=_token(public_id), ends=ends
    ), 410


def _opinion(story: Story, model: str) -> Opinion | None:
    """What `model` says, or the shown answer; None when it has not looked yet. Raises `ModelNotFoundError` when there is none such."""
    if not model:
        return next((one for one in story.opinions if one.prediction.shown), None)
    found = next((one for one in story.opinions if one.prediction.model == model), None)
    if found is None and model not in live_models():
        raise ModelNotFoundError(
            f"There is no model called “{model[:80]}” that could look at this photo."
        )
    return found


def _silent(story: Story) -> list[tuple[str, str]]:
    """Live models that have not looked at the photo yet, as (name, title)."""
    answered = {one.prediction.model for one in story.opinions}
    return [(name, title) for name, title in model_choices() if name not in answered]


def _happenings(story: Story) -> list[dict[str, Any]]:
    """Answers, labels and the upload in one line of time, newest first. Only the last label event can be undone."""
    lines: list[dict[str, Any]] = []
    for prediction in story.predictions:
        lines.append(
            {
                "kind": "answer",
                "at": prediction.created_at,
                "prediction": prediction,
                "shown": present_prediction(prediction),
            }
        )
    for place, one in enumerate(story.events):
        lines.append(
            {
                "kind": "label",
                "at": one.event.created_at,
                "event": one.event,
                "undone": one.undone,
                "last": place == 0,
            }
        )
    lines.sort(key=lambda line: line["at"], reverse=True)
    photo = story.item.photo
    return [
        *lines,
        {
            "kind": "upload",
            "at": photo.created_at,
            "who": photo.uploader.name if photo.uploader else "",
        },
    ]


def _reference(photo: Photo) -> CurrentLabel | None:
    """The label that an admin may make this photo the reference photo of: its ground truth, when a live model has it."""
    card = next((one for one in live_cards() if one.name == photo.truth_model), None)
    label = card.label(photo.ground_truth) if card and photo.ground_truth and _is_admin() else None
    return as_current(label) if label else None


def _is_admin() -> bool:
    somebody = guards.person()
    return somebody is not None and somebody.is_admin


def _may_always(public_id: str) -> bool:
    """True for who deletes a photo without its link: an admin, and whoever sent it among many."""
    return _is_admin() or own_uploads.came_with(public_id, jobs.owner().id)


def _token(public_id: str) -> str:
    """The delete token from the link or form, else the one that this browser keeps."""
    return request.values.get("token", "") or session_uploads.token_of(public_id)


def _file_name(filename: str, content_type: str) -> str:
    """The user's name, with another ending when the copy without metadata has become a JPEG."""
    if content_type != "image/jpeg" or PurePath(filename).suffix.lower() in (
        ".jpg",
        ".jpeg",
        ".jfif",
    ):
        return filename
    return f"{PurePath(filename).stem or 'photo'}.jpg"
