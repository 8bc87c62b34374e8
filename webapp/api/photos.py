"""Photos in JSON: classify, remember, list, read, relabel."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from webapp.api import payloads
from webapp.api.incoming import read_files
from webapp.api.keys import guard, has, need, need_for_prediction, need_for_reading, who
from webapp.delivery import picture, status_of
from webapp.errors import BadRequestError, MarqueError
from webapp.ext import get_cards, get_classifier, get_classifiers, get_files, get_registry, get_turnstile
from webapp.services import classify, deleting, heat, history, relabel
from webapp.services.classify import Classified, Incoming
from webapp.services.filters import parse_filter
from webapp.services.history import Item
from webapp.services.learnt import read_lists
from webapp.throttle import count_photos
from webapp.values import ALL_MODELS, Answer

bp = Blueprint("api_photos", __name__)
guard(bp)


@bp.post("/photos")
def add() -> ResponseReturnValue:
    """Rank and remember one photo (201, or 200 when it was known) or several (200 and a result for each)."""
    need_for_prediction()
    incoming = read_files("file")
    choice, label = _one_field("model"), _one_field("ground_truth")
    first, *others = get_classifiers(choice)
    tools = {"classifier": first, "others": others, "files": get_files(), "turnstile": get_turnstile(), "who": who(), "place": "api"}
    if len(incoming) == 1:
        done = classify.classify_photo(incoming[0], ground_truth=label, **tools)  # type: ignore[arg-type]
        body = _photo(done, choice) | {"duplicate": done.duplicate}
        headers = {"Location": url_for("api_photos.read", public_id=done.photo.public_id)}
        return jsonify(body), HTTPStatus.OK if done.duplicate else HTTPStatus.CREATED, headers
    results = classify.classify_upload(incoming, ground_truth=label, **tools)  # type: ignore[arg-type]
    return jsonify(results=[_result(one, done, choice) for one, done in zip(incoming, results, strict=True)])


@bp.post("/classify")
def look() -> ResponseReturnValue:
    """Rank one photo or several; nothing is stored."""
    need_for_prediction()
    incoming = read_files("file")
    choice, turnstile = _one_field("model"), get_turnstile()
    classifiers = get_classifiers(choice)
    if len(incoming) == 1:
        said = classify.answer_by_all(incoming[0], classifiers=classifiers, turnstile=turnstile)
        return jsonify({"filename": classify.clean_name(incoming[0].filename)} | _said(said, choice))
    answers = classify.answer_photos(incoming, classifiers=classifiers, turnstile=turnstile)
    return jsonify(
        results=[
            {"filename": classify.clean_name(one.filename)}
            | ({"status": status_of(said), "error": str(said)} if isinstance(said, MarqueError) else {"status": 200} | _said(said, choice))
            for one, said in zip(incoming, answers, strict=True)
        ]
    )


@bp.get("/photos")
def index() -> ResponseReturnValue:
    """A page of photos by the gallery's filters."""
    need_for_reading()
    wanted = parse_filter(request.args)
    if wanted.learnt:
        read_lists(get_registry())
    page = history.gallery_page(wanted, limit=history.parse_limit(request.args.get("limit")), cursor=request.args.get("cursor", ""))
    return jsonify(
        items=[payloads.photo(item, get_registry()) for item in page.items], next=page.next or None, previous=page.previous or None
    )


@bp.get("/photos/<public_id>")
def read(public_id: str) -> ResponseReturnValue:
    """One photo; `?model=` chooses whose answer, `all` adds everybody's."""
    need_for_reading()
    choice = request.args.get("model", "").strip()
    return jsonify(_photo(history.get_item(public_id, "" if choice == ALL_MODELS else choice), choice))


@bp.get("/photos/<public_id>/file")
def file(public_id: str) -> Response:
    """The stored bytes; a copy without metadata when they have some, unless `?metadata=keep` comes with an admin's key."""
    need_for_reading()
    keep = request.args.get("metadata") == "keep"
    if keep:
        need("admin")
    photo = history.get_item(public_id).photo
    found = history.original(public_id, files=get_files(), turnstile=get_turnstile(), with_metadata=keep)
    return picture(found, download_name=photo.filename)


@bp.get("/photos/<public_id>/thumbnail")
def thumbnail(public_id: str) -> Response:
    """The small picture."""
    need_for_reading()
    return picture(history.thumbnail(public_id))


@bp.get("/photos/<public_id>/heatmap")
def heatmap(public_id: str) -> Response:
    """A veil over the photo, clear where the live version of `?model=` looked for `?label=`; for its own answer without one."""
    need_for_reading()
    count_photos()
    classifier = get_classifier(request.args.get("model", "").strip())
    label = request.args.get("label", "").strip() or history.first_label(public_id, classifier.card.name)
    found = heat.heat_map(public_id, label, classifier=classifier, files=get_files(), turnstile=get_turnstile())
    return picture(found, varies=True)


@bp.put("/photos/<public_id>/ground-truth")
def put_ground_truth(public_id: str) -> ResponseReturnValue:
    """Say what the photo really shows: JSON `{"label": "…", "why": "…"}`. Needs a key with the scope `review`."""
    need("review")
    body = request.get_json(silent=True)
    if (
        not isinstance(body, dict)
        or not all(isinstance(body.get(name, ""), str) for name in ("label", "why", "model"))
        or "label" not in body
    ):
        raise BadRequestError('Send JSON like {"label": "mclaren", "why": "optional"} with Content-Type: application/json.')
    history.get_item(public_id)
    model = body.get("model", "")
    first, *others = [get_classifier(model).card] if model else get_cards() or [get_classifier().card]
    done = relabel.relabel_photos([public_id], body["label"], card=first, others=others, who=who(), place="api", why=body.get("why", ""))
    return jsonify(payloads.photo(history.get_item(public_id), get_registry()) | payloads.taken_as(body["label"], done))


@bp.delete("/photos/<public_id>")
def delete(public_id: str) -> ResponseReturnValue:
    """Delete a photo: with a key of the scope `admin`, or with the token of its uploader's link. For some days it can be restored."""
    deleting.delete_photo(public_id, who=who(), admin=has("admin"), token=request.args.get("token", ""))
    return "", HTTPStatus.NO_CONTENT


@bp.post("/photos/<public_id>/restore")
def restore(public_id: str) -> ResponseReturnValue:
    """Bring a deleted photo back, with the same key or token."""
    deleting.restore_photo(public_id, admin=has("admin"), token=request.args.get("token", ""))
    return jsonify(payloads.photo(history.get_item(public_id), get_registry()))


def _one_field(name: str) -> str:
    return request.form.get(name, "").strip()


def _result(one: Incoming, done: Classified | MarqueError, choice: str) -> payloads.Json:
    filename = classify.clean_name(one.filename)
    if isinstance(done, MarqueError):
        return {"filename": filename, "status": status_of(done), "error": str(done)}
    status = 200 if done.duplicate else 201
    return {"filename": filename, "status": status, "photo": _photo(done, choice) | {"duplicate": done.duplicate}}


def _photo(item: Item | Classified, choice: str) -> payloads.Json:
    """A photo, with what every model says about it when all were asked for."""
    body = payloads.photo(item, get_registry())
    if choice != ALL_MODELS:
        return body
    return body | {"predictions": [payloads.prediction(one.prediction, get_registry()) for one in history.opinions(item.photo)]}


def _said(answers: list[Answer], choice: str) -> payloads.Json:
    """The first answer, and all of them when all models were asked."""
    found = [payloads.answer(one) for one in answers]
    return {"prediction": found[0]} | ({"predictions": found} if choice == ALL_MODELS else {})
