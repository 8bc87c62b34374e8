"""Photos in JSON: classify, remember, list, read, relabel."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import Need, check, guard, has, who
from webapp.api.openapi.calls import Call, Content
from webapp.api.schemas import photos
from webapp.api.schemas.base import PhotoId
from webapp.domain import ALL_MODELS
from webapp.extensions import (
    get_classifier,
    get_files,
    get_label_cards,
    get_limiter,
    get_pipeline,
    get_registry,
)
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import THUMBNAIL_TYPE, VIEW_TYPE
from webapp.inference.heat_map import OVERLAY_TYPE
from webapp.services.labels import relabel
from webapp.services.photos import classify, deletion, gallery
from webapp.services.photos import heat_map as heat_maps
from webapp.services.photos.classify import Origin
from webapp.services.stats.training_membership import read_lists
from webapp.storage.labels.events import Stamp

bp = guard(Blueprint("api_photos", __name__))
_REFUSED = (
    errors.NoFileError,
    errors.PhotoTooLargeError,
    errors.NotAPhotoError,
    errors.BrokenPhotoError,
    errors.ModelNotFoundError,
)
_NOT_STORED = (*_REFUSED, errors.UnknownLabelError, errors.StorageFullError)
_GONE = (errors.PhotoNotFoundError, errors.PhotoDeletedError)
_NO_MODEL = (*_GONE, errors.UnknownLabelError, errors.ModelNotFoundError)
_NO_HEAT_MAP = (
    *_GONE,
    errors.NotAskedError,
    errors.NoHeatMapError,
    errors.ModelNotFoundError,
    errors.UnknownLabelError,
)


def _ranges(*types: str) -> dict[int, Content]:
    """The answers of a picture, which can be had in parts."""
    return {200: Content(types), 206: Content(types)}


@Call(
    bp,
    "POST /photos",
    Need.PREDICTING,
    {201: photos.UploadedPhotoJson, 200: photos.UploadedPhotoJson | photos.UploadResultsJson},
    _NOT_STORED,
)
def add(form: photos.PhotoForm) -> ResponseReturnValue:
    """Classify and remember photos.

    One photo: 201 with the photo, or 200 with the one that was there when its bytes are known.
    Several: 200 with a result for each, in their order; one that is refused costs the others
    nothing.
    """
    pipeline, registry = get_pipeline(form.model), get_registry()
    origin = Origin(who(), "api", form.ground_truth)
    if len(form.file) == 1:
        done = classify.classify_photo(form.file[0], pipeline, origin)
        headers = {"Location": url_for("api_photos.read", public_id=done.photo.public_id)}
        status = HTTPStatus.OK if done.duplicate else HTTPStatus.CREATED
        return jsonify(photos.uploaded_json(done, registry, form.model)), status, headers
    results = classify.classify_photos(form.file, pipeline, origin)
    pairs = zip(form.file, results, strict=True)
    return jsonify(
        results=[photos.upload_result_json(*pair, registry, form.model) for pair in pairs]
    )


@Call(
    bp,
    "POST /classify",
    Need.PREDICTING,
    {200: photos.ClassifiedJson | photos.ClassifyResultsJson},
    _REFUSED,
    endpoint="look",
)
def classify_only(form: photos.ClassifyForm) -> ResponseReturnValue:
    """Classify photos; nothing is stored.

    One photo: its prediction. Several: a result for each, in their order.
    """
    pipeline = get_pipeline(form.model)
    if len(form.file) == 1:
        cars = classify.answer_photo(form.file[0], pipeline)
        return jsonify(photos.classified_json(form.file[0], cars))
    results = classify.answer_photos(form.file, pipeline)
    pairs = zip(form.file, results, strict=True)
    return jsonify(results=[photos.classify_result_json(*pair) for pair in pairs])


@Call(
    bp,
    "GET /photos",
    Need.READING,
    {200: photos.PhotoPageJson},
    (errors.ModelNotFoundError,),
)
def index(query: photos.ListQuery) -> ResponseReturnValue:
    """A page of photos, by the gallery's filters.

    Cursors name a photo, so that photos which arrive meanwhile shift nothing. A cursor belongs to
    the order that it was made in.
    """
    if query.trained_on:
        read_lists(get_registry())
    page = gallery.gallery_page(query, limit=query.limit, cursor=query.cursor)
    gallery.load_cars(page.items)
    items = [photos.photo_json(photo, get_registry()) for photo in page.items]
    return jsonify(items=items, next=page.next or None, previous=page.previous or None)


@Call(
    bp,
    "GET /photos/<public_id>",
    Need.READING,
    {200: photos.PhotoJson},
    (*_GONE, errors.NotAskedError),
)
def read(public_id: PhotoId, query: photos.ChoiceQuery) -> ResponseReturnValue:
    """One photo."""
    photo = gallery.get_photo(public_id, "" if query.model == ALL_MODELS else query.model)
    return jsonify(photos.photo_json(photo, get_registry(), query.model))


@Call(bp, "GET /photos/<public_id>/file", Need.READING, _ranges(*CONTENT_TYPES.values()), _GONE)
def file(public_id: PhotoId, query: photos.FileQuery) -> Response:
    """The stored file.

    When it tells where, when or with what it was taken, a copy without that, unless `metadata=keep`
    comes with a key of the scope `admin`.
    """
    if query.metadata:
        check(Need.ADMIN)
    photo = gallery.get_photo(public_id)
    rendition = gallery.original(
        photo, files=get_files(), limiter=get_limiter(), with_metadata=bool(query.metadata)
    )
    return picture(rendition, download_name=photo.filename)


@Call(bp, "GET /photos/<public_id>/thumbnail", Need.READING, _ranges(THUMBNAIL_TYPE), _GONE)
def thumbnail(public_id: PhotoId) -> Response:
    """A small picture, without metadata."""
    return picture(gallery.thumbnail(public_id))


@Call(bp, "GET /photos/<public_id>/view", Need.READING, _ranges(VIEW_TYPE), _GONE)
def view(public_id: PhotoId) -> Response:
    """The photo as a page shows it.

    A JPEG of at most 1,600 pixels on its longer side, upright, without metadata.
    """
    return picture(gallery.view(public_id, files=get_files(), limiter=get_limiter()))


@Call(bp, "GET /photos/<public_id>/labels", Need.READING, {200: photos.LabelHistoryJson}, _GONE)
def labels(public_id: PhotoId) -> ResponseReturnValue:
    """What people said about the cars of a photo: who, when, why, where; newest first."""
    events = gallery.label_events(public_id)
    return jsonify(items=[photos.label_event_json(event) for event in events])


@Call(bp, "GET /photos/<public_id>/heatmap", Need.READING, _ranges(OVERLAY_TYPE), _NO_HEAT_MAP)
def heatmap(public_id: PhotoId, query: photos.HeatQuery) -> Response:
    """The parts of a car that speak for a label: it says where, not why.

    A picture to lay over the photo, clear where the model looked.
    """
    count_photos()
    car = gallery.get_car_of(public_id, query.car)
    classifier = get_classifier(query.model)
    rendition = heat_maps.heat_map(
        car, query.label, classifier=classifier, files=get_files(), limiter=get_limiter()
    )
    return picture(rendition, varies=True)


@Call(
    bp,
    "PUT /photos/<public_id>/ground-truth",
    Need.REVIEW,
    {200: photos.RelabelledPhotoJson},
    _NO_MODEL,
)
def put_ground_truth(public_id: PhotoId, body: photos.GroundTruthBody) -> ResponseReturnValue:
    """Give the main car of a photo a ground truth."""
    stamp = Stamp(who(), "api", body.why)
    try:
        done = relabel.relabel_photo(public_id, body.label, get_label_cards(body.model), stamp)
    except errors.MarqueError:
        gallery.get_photo(public_id)  # that the photo is gone says more
        raise
    assert done.car is not None  # noqa: S101  (it was named)
    photo = photos.photo_json(done.car.photo, get_registry())
    return jsonify(photo if done.label == body.label else {**photo, "taken_as": done.label})


@Call(bp, "DELETE /photos/<public_id>", Need.OWN, {204: None}, (*_GONE, errors.NotAllowedError))
def delete(public_id: PhotoId, query: photos.TokenQuery) -> ResponseReturnValue:
    """Delete a photo: with a key of the scope `admin`, or with the token of its uploader.

    For seven days it can be restored, then it is gone for good. A photo with a star is not deleted.
    """
    deletion.delete_photo(public_id, who=who(), admin=has(Need.ADMIN), token=query.token)
    return "", HTTPStatus.NO_CONTENT


@Call(
    bp,
    "POST /photos/<public_id>/restore",
    Need.OWN,
    {200: photos.PhotoJson},
    (errors.PhotoNotFoundError,),
)
def restore(public_id: PhotoId, query: photos.TokenQuery) -> ResponseReturnValue:
    """Bring a deleted photo back, with the key or token that may delete it."""
    deletion.restore_photo(public_id, admin=has(Need.ADMIN), token=query.token)
    return jsonify(photos.photo_json(gallery.get_photo(public_id), get_registry()))
