"""The old doors: the calls of five earlier services, in their shapes. Their clients move over by changing a host name."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, redirect, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from webapp.api.authentication import guard, need_for_prediction, need_for_reading, owner, who
from webapp.api.request_files import read_files
from webapp.domain import Answer, GalleryFilter
from webapp.errors import BadNumberError, BadRequestError, MarqueError
from webapp.extensions import (
    get_classifier,
    get_files,
    get_limiter,
    get_registry,
    get_tools,
)
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture, wants_json
from webapp.legacy import presenters as shapes
from webapp.legacy import side_by_side
from webapp.services.jobs.queue import Sender
from webapp.services.jobs.types import predict as predict_job
from webapp.services.photos import classify
from webapp.services.photos import gallery as history
from webapp.services.photos.classify import MAX_BYTES, Incoming
from webapp.services.photos.gallery import Item

bp = Blueprint("legacy", __name__)
guard(bp)
MAX_BASE64 = MAX_BYTES * 3 // 2
"""Bytes of a JSON body: four for three of the photo, and room for line ends."""
ALPHABET = str.maketrans("-_", "+/")
"""From the base64 of addresses (RFC 4648, section 5) to the plain one."""


# ---- is it there ----


@bp.get("/healthcheck", strict_slashes=False)
def healthcheck() -> ResponseReturnValue:
    """The greeting that monitors compare with."""
    return jsonify(message="Hello World")


@bp.before_app_request
def running() -> ResponseReturnValue | None:
    """`GET /` for who asks for JSON; browsers get the first page."""
    if request.path == "/" and request.method in ("GET", "HEAD") and wants_json():
        return jsonify(status="The car classification service is running!")
    return None


# ---- one question, one answer: nothing is stored, but for the form of /predict ----


@bp.post("/infer", strict_slashes=False)
def infer() -> ResponseReturnValue:
    """The first label of the photo in the field `image`."""
    need_for_prediction()
    return jsonify({"class": _answer(read_files("image")[0]).label})


@bp.post("/predict")
def predict() -> ResponseReturnValue:
    """A photo in a form (field `file`), which is remembered and shown on its page; or in base64 in JSON, which is only answered."""
    need_for_prediction()
    if request.mimetype != "multipart/form-data":
        return jsonify(shapes.numbered_class(_answer(_base64_photo()).ranked[0]))
    done = classify.classify_photo(
        read_files("file")[0],
        classifier=get_classifier(),
        files=get_files(),
        limiter=get_limiter(),
        who=who(),
        place="api",
    )
    if wants_json() and done.photo.prediction is not None:
        return jsonify(
            shapes.sentences(history.full_ranking(done.photo.prediction, get_registry()))
        )
    return redirect(
        url_for(
            "gallery.photo",
            public_id=done.photo.public_id,
            sent="again" if done.duplicate else None,
        ),
        HTTPStatus.SEE_OTHER,
    )


@bp.post("/predict/")
def predict_several() -> ResponseReturnValue:
    """The first label of each photo in the fields `files`, by file name. One that cannot be read refuses them all: there is no place for
    its error."""
    need_for_prediction()
    incoming = read_files("files")
    found = classify.answer_photos(incoming, classifiers=[get_classifier()], limiter=get_limiter())
    lines = []
    for one, said in zip(incoming, found, strict=True):
        if isinstance(said, MarqueError):
            said.args = (f"{classify.clean_name(one.filename)}: {said}",)
            raise said
        lines.append((one.filename, said[0].ranked[0]))
    return jsonify(predictions=shapes.by_filename(lines))


# ---- photos with numbers, which are predicted when somebody asks ----


@bp.post("/api/upload", strict_slashes=False)
def upload() -> ResponseReturnValue:
    """Remember the photo in the field `file`; nobody looks at it yet."""
    need_for_prediction()
    sent = read_files("file")[0]
    name = request.form.get("filename", "").strip() or sent.filename
    done = classify.keep_photo(
        Incoming(name, sent.content),
        classifier=get_classifier(),
        files=get_files(),
        limiter=get_limiter(),
        who=who(),
        ground_truth=request.form.get("ground_truth", "").strip(),
        place="api",
    )
    link = url_for("api_photos.file", public_id=done.photo.public_id)
    return jsonify(shapes.uploaded(done.photo, classify.clean_name(name), link)), HTTPStatus.CREATED


@bp.post("/api/predict", strict_slashes=False)
def predict_stored() -> ResponseReturnValue:
    """Have the photo `?img_id=` ranked by a job; `device` changes nothing."""
    need_for_prediction()
    item = _numbered(request.args.get("img_id", ""))
    count_photos()
    task = predict_job.predict(item.photo, Sender(owner(), who()), get_tools())
    return jsonify(shapes.received(task))


@bp.get("/api/tasks/<task_id>", strict_slashes=False)
def task(task_id: str) -> ResponseReturnValue:
    """How a ranking stands."""
    need_for_reading()
    return jsonify(shapes.task(predict_job.state_of(task_id, get_tools())))


@bp.get("/api/images", strict_slashes=False)
def images() -> ResponseReturnValue:
    """Every photo, the oldest first. The list is sent while it is read, so that a large history costs no memory."""
    need_for_reading()
    return Response(stream_with_context(_list_of_images()), content_type="application/json")


@bp.get("/api/images/<image_id>", strict_slashes=False)
def image(image_id: str) -> ResponseReturnValue:
    """One photo."""
    need_for_reading()
    return jsonify(data=shapes.image(_numbered(image_id), get_registry()))


@bp.get("/api/images/<image_id>/view", strict_slashes=False)
def view(image_id: str) -> ResponseReturnValue:
    """The photo beside its first ten labels, as one picture; 204 before any prediction."""
    need_for_reading()
    found = side_by_side.side_by_side(
        _numbered(image_id), registry=get_registry(), files=get_files(), limiter=get_limiter()
    )
    if found is None:
        return "", HTTPStatus.NO_CONTENT
    return picture(found, varies=True)


@bp.get("/api/stats/", strict_slashes=False)
def stats() -> ResponseReturnValue:
    """How the live version was trained, and how good it was at the end."""
    need_for_reading()
    return jsonify(data=shapes.training(get_classifier().card))


# ---- small parts ----


def _answer(incoming: Incoming) -> Answer:
    return classify.answer_photo(incoming, classifier=get_classifier(), limiter=get_limiter())


def _base64_photo() -> Incoming:
    """The photo in the JSON body, with or without `data:image/…;base64,` before it. Raises `BadRequestError` or `TooManyRequestsError`."""
    count_photos()
    request.max_content_length = MAX_BASE64
    body = request.get_json(silent=True, force=True)
    text = body.get("im_b64") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise BadRequestError(
            'Send JSON like {"im_b64": "<the photo in base64>"}, or a form with the photo in a field called file.'
        )
    try:
        plain = re.sub(r"\s+", "", re.sub(r"(?i)^\s*data:[^,]{0,200},", "", text)).translate(
            ALPHABET
        )
        return Incoming("photo", base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRequestError("im_b64 is not base64. Nothing was read.") from error


def _numbered(text: str) -> Item:
    """The photo with this number. Raises `BadNumberError` for what is no number, `PhotoNotFoundError`."""
    if not re.fullmatch(r"[0-9]{1,30}", text):
        raise BadNumberError("The id of a photo is a whole number from 1 on.")
    return history.get_numbered(int(text))


def _list_of_images() -> Iterator[str]:
    """`{"data": […]}` in pieces of a page each."""
    registry, cursor, comma = get_registry(), "", ""
    yield '{"data": ['
    while True:
        page = history.gallery_page(
            GalleryFilter(sort="oldest"), limit=history.MAX_LIMIT, cursor=cursor
        )
        for item in page.items:
            yield comma + json.dumps(shapes.image(item, registry))
            comma = ", "
        cursor = page.next
        if not cursor:
            break
    yield "]}\n"
