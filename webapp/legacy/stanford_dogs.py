"""The Stanford Dogs service: photos with numbers, classified by a task on request."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, check, owner, who
from webapp.api.openapi.calls import read_files
from webapp.domain import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, ready_rendition
from webapp.errors import BadNumberError
from webapp.extensions import (
    get_classifier,
    get_files,
    get_limiter,
    get_pipeline,
    get_registry,
    get_tools,
)
from webapp.gallery_filter import GalleryFilter
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.inference.decoding.images import VIEW_TYPE, render_view
from webapp.legacy.blueprint import bp
from webapp.legacy.ranked_picture import draw_ranked
from webapp.services.jobs.queue import Sender
from webapp.services.jobs.types import predict as predict_job
from webapp.services.models.cards import training_history
from webapp.services.photos.classify import Incoming, Origin, clean_name, store_unclassified
from webapp.services.photos.gallery import (
    MAX_LIMIT,
    Photo,
    full_ranking,
    gallery_page,
    get_numbered,
    stored_content,
)

_STATUSES = {
    QUEUED: ("PENDING", "Task received"),
    RUNNING: ("STARTED", "Task started"),
    SUCCEEDED: ("SUCCESS", "Task finished"),
    FAILED: ("FAILURE", "Task failed"),
    CANCELLED: ("FAILURE", "Task cancelled"),
}  # Celery's status, and a message, for each state of a job
_VIEW_SIDE = 640  # pixels of the photo's longer side
_VIEW_LINES = 10


@bp.post("/api/upload", strict_slashes=False)
def upload() -> ResponseReturnValue:
    """Store the photo in the field `file`; it is not classified yet."""
    check(Need.PREDICTING)
    incoming = read_files("file")[0]
    name = request.form.get("filename", "").strip() or incoming.filename
    origin = Origin(who(), "api", request.form.get("ground_truth", "").strip())
    photo = store_unclassified(Incoming(name, incoming.content), get_pipeline(), origin).photo
    body = {
        "filename": clean_name(name),
        "file": url_for("api_photos.file", public_id=photo.public_id),
        "predictions": None,
        "ground_truth": photo.ground_truth,
        "id": photo.id,
    }
    return jsonify(body), HTTPStatus.CREATED


@bp.post("/api/predict", strict_slashes=False)
def predict_stored() -> ResponseReturnValue:
    """Have the photo `?img_id=` classified by a job; `device` changes nothing."""
    check(Need.PREDICTING)
    photo = _numbered(request.args.get("img_id", ""))
    count_photos()
    task_id = predict_job.predict(photo, Sender(owner(), who()), get_tools())
    return jsonify(_task(task_id, *_STATUSES[QUEUED]))


@bp.get("/api/tasks/<task_id>", strict_slashes=False)
def task(task_id: str) -> ResponseReturnValue:
    """The state of a task. One that was cancelled failed: the shape knows no cancelling."""
    check(Need.READING)
    view = predict_job.state_of(task_id, get_tools())
    status, message = _STATUSES[view.state]
    return jsonify(_task(view.job.public_id, status, view.job.error or message))


@bp.get("/api/images", strict_slashes=False)
def images() -> ResponseReturnValue:
    """Every photo, the oldest first, sent while the list is read."""
    check(Need.READING)
    return Response(stream_with_context(_list_of_images()), content_type="application/json")


@bp.get("/api/images/<image_id>", strict_slashes=False)
def image(image_id: str) -> ResponseReturnValue:
    """One photo."""
    check(Need.READING)
    return jsonify(data=_image(_numbered(image_id)))


@bp.get("/api/images/<image_id>/view", strict_slashes=False)
def view(image_id: str) -> ResponseReturnValue:
    """The photo beside its first ten labels, as one picture; 204 before any prediction."""
    check(Need.READING)
    photo = _numbered(image_id)
    if photo.prediction is None:
        return "", HTTPStatus.NO_CONTENT
    content = stored_content(photo, get_files())
    lines = full_ranking(photo.prediction, get_registry())[:_VIEW_LINES]
    with get_limiter().slot():
        shown = render_view(content, max_side=_VIEW_SIDE)
        drawn = draw_ranked(shown, lines, photo.ground_truth or "")
    return picture(ready_rendition(drawn, VIEW_TYPE), varies=True)


@bp.get("/api/stats/", strict_slashes=False)
def stats() -> ResponseReturnValue:
    """A value for each epoch of the live version's training, and the figures at the end."""
    check(Need.READING)
    card = get_classifier().card
    history = training.history if (training := training_history(card)) else []
    keys = {"loss": "loss", "accuracy": "top1", "f_score": "macro_f1"}
    curves = {
        split: {name: [epoch.get(prefix + key) for epoch in history] for name, key in keys.items()}
        for split, prefix in (("train", ""), ("validation", "validation_"))
    }
    measured = keys | {"loss": "nll"}
    metrics = {
        split: {name: (card.metrics.get(split) or {}).get(key) for name, key in measured.items()}
        for split in ("train", "validation", "test")
    }
    model = {"name": card.name, "version": card.version}
    return jsonify(data={"model": model, "history": curves, "metrics": metrics})


def _task(task_id: str, status: str, message: str) -> dict[str, Any]:
    return {"data": {"task_id": task_id, "status": status}, "message": message}


def _numbered(text: str) -> Photo:
    """The photo with this number. Raises `BadNumberError` or `PhotoNotFoundError`."""
    if not re.fullmatch(r"[0-9]{1,30}", text):
        raise BadNumberError("The id of a photo is a whole number from 1 on.")
    return get_numbered(int(text))


def _image(photo: Photo) -> dict[str, Any]:
    """A stored photo; `predictions` is null until it was classified."""
    predictions = None
    if photo.prediction is not None:
        lines = full_ranking(photo.prediction, get_registry())
        predictions = {line.label: line.probability for line in lines}
    return {
        "filename": photo.filename,
        "predictions": predictions,
        "ground_truth": photo.ground_truth,
        "id": photo.id,
    }


def _list_of_images() -> Iterator[str]:
    """`{"data": […]}` in pieces of a page each."""
    cursor, comma = "", ""
    yield '{"data": ['
    while True:
        page = gallery_page(GalleryFilter(sort="oldest"), limit=MAX_LIMIT, cursor=cursor)
        for photo in page.items:
            yield comma + json.dumps(_image(photo))
            comma = ", "
        cursor = page.next
        if not cursor:
            break
    yield "]}\n"
