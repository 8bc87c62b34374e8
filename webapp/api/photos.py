"""Photos in JSON: classify, remember, list, read, relabel."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import guard, has, need, who
from webapp.api.openapi.calls import Content, Need, call
from webapp.api.schemas import presenters as payloads
from webapp.api.schemas import responses as shapes
from webapp.api.schemas.requests import (
    ChoiceQuery,
    ClassifyForm,
    FileQuery,
    GroundTruthBody,
    HeatQuery,
    ListQuery,
    PhotoForm,
    PhotoId,
    TokenQuery,
)
from webapp.domain import ALL_MODELS
from webapp.extensions import (
    get_cards,
    get_classifier,
    get_classifiers,
    get_files,
    get_limiter,
    get_registry,
)
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import THUMBNAIL_TYPE, VIEW_TYPE
from webapp.inference.heat_map import OVERLAY_TYPE
from webapp.services.labels import relabel
from webapp.services.photos import classify
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.services.photos import heat_map as heat
from webapp.services.stats.training_membership import read_lists

bp = Blueprint("api_photos", __name__)
guard(bp)
REFUSED = (
    errors.NoFileError,
    errors.PhotoTooLargeError,
    errors.NotAPhotoError,
    errors.BrokenPhotoError,
    errors.ModelNotFoundError,
)
GONE = (errors.PhotoNotFoundError, errors.PhotoDeletedError)
PICTURE = Content(tuple(CONTENT_TYPES.values()))
THUMBNAIL, OVERLAY, VIEW = (
    Content((THUMBNAIL_TYPE,)),
    Content((OVERLAY_TYPE,)),
    Content((VIEW_TYPE,)),
)


@call(
    bp,
    "POST",
    "/photos",
    needs=Need.PREDICTING,
    answers={201: shapes.SentPhoto, 200: shapes.SentPhoto | shapes.SentResults},
    errors=(*REFUSED, errors.UnknownLabelError, errors.StorageFullError),
)
def add(form: PhotoForm) -> ResponseReturnValue:
    """Rank and remember photos.

    One photo: 201 with the photo, or 200 with the one that was there when its bytes are known. Several: 200 with a result for each, in
    their order; one that is refused costs the others nothing.
    """
    first, *others = get_classifiers(form.model)
    tools = {
        "classifier": first,
        "others": others,
        "files": get_files(),
        "limiter": get_limiter(),
        "who": who(),
        "place": "api",
    }
    if len(form.file) == 1:
        done = classify.classify_photo(form.file[0], ground_truth=form.ground_truth, **tools)  # type: ignore[arg-type]
        body = payloads.sent_photo(done, get_registry(), form.model)
        headers = {"Location": url_for("api_photos.read", public_id=done.photo.public_id)}
        return jsonify(body), HTTPStatus.OK if done.duplicate else HTTPStatus.CREATED, headers
    results = classify.classify_upload(form.file, ground_truth=form.ground_truth, **tools)  # type: ignore[arg-type]
    return jsonify(payloads.sent_results(form.file, results, get_registry(), form.model))


@call(
    bp,
    "POST",
    "/classify",
    needs=Need.PREDICTING,
    answers={200: shapes.Said | shapes.SaidResults},
    errors=REFUSED,
)
def look(form: ClassifyForm) -> ResponseReturnValue:
    """Rank photos; nothing is stored.

    One photo: its prediction. Several: a result for each, in their order.
    """
    classifiers, limiter = get_classifiers(form.model), get_limiter()
    if len(form.file) == 1:
        said = classify.answer_by_all(form.file[0], classifiers=classifiers, limiter=limiter)
        return jsonify(payloads.said(form.file[0], said, form.model))
    return jsonify(
        payloads.said_results(
            form.file,
            classify.answer_photos(form.file, classifiers=classifiers, limiter=limiter),
            form.model,
        )
    )


@call(bp, "GET", "/photos", needs=Need.READING, answers={200: shapes.PhotoPage})
def index(query: ListQuery) -> ResponseReturnValue:
    """A page of photos, by the gallery's filters.

    Cursors name a photo, so that photos which arrive meanwhile shift nothing. A cursor belongs to the order that it was made in.
    """
    wanted = query.wanted()
    if wanted.learnt:
        read_lists(get_registry())
    page = history.gallery_page(wanted, limit=query.limit, cursor=query.cursor)
    return jsonify(payloads.photo_page(page, get_registry()))


@call(
    bp,
    "GET",
    "/photos/<public_id>",
    needs=Need.READING,
    answers={200: shapes.Photo},
    errors=(*GONE, errors.NotAskedError),
)
def read(public_id: PhotoId, query: ChoiceQuery) -> ResponseReturnValue:
    """One photo."""
    item = history.get_item(public_id, "" if query.model == ALL_MODELS else query.model)
    return jsonify(payloads.photo(item, get_registry(), query.model))


@call(
    bp,
    "GET",
    "/photos/<public_id>/file",
    needs=Need.READING,
    answers={200: PICTURE, 206: PICTURE},
    errors=GONE,
)
def file(public_id: PhotoId, query: FileQuery) -> Response:
    """The stored file.

    When it tells where, when or with what it was taken, a copy without that, unless `metadata=keep` comes with a key of the scope `admin`.
    """
    if query.metadata:
        need("admin")
    photo = history.get_item(public_id).photo
    found = history.original(
        public_id, files=get_files(), limiter=get_limiter(), with_metadata=bool(query.metadata)
    )
    return picture(found, download_name=photo.filename)


@call(
    bp,
    "GET",
    "/photos/<public_id>/thumbnail",
    needs=Need.READING,
    answers={200: THUMBNAIL, 206: THUMBNAIL},
    errors=GONE,
)
def thumbnail(public_id: PhotoId) -> Response:
    """A small picture, without metadata."""
    return picture(history.thumbnail(public_id))


@call(
    bp,
    "GET",
    "/photos/<public_id>/view",
    needs=Need.READING,
    answers={200: VIEW, 206: VIEW},
    errors=GONE,
)
def view(public_id: PhotoId) -> Response:
    """The photo as a page shows it: a JPEG of at most 1,600 pixels on its longer side, upright, without metadata."""
    return picture(history.view(public_id, files=get_files(), limiter=get_limiter()))


@call(
    bp,
    "GET",
    "/photos/<public_id>/labels",
    needs=Need.READING,
    answers={200: shapes.LabelHistory},
    errors=GONE,
)
def labels(public_id: PhotoId) -> ResponseReturnValue:
    """What people said that the photo shows: who, when, why, where; newest first."""
    return jsonify(payloads.label_history(history.label_events(public_id)))


@call(
    bp,
    "GET",
    "/photos/<public_id>/heatmap",
    needs=Need.READING,
    answers={200: OVERLAY, 206: OVERLAY},
    errors=(
        *GONE,
        errors.NotAskedError,
        errors.NoHeatMapError,
        errors.ModelNotFoundError,
        errors.UnknownLabelError,
    ),
)
def heatmap(public_id: PhotoId, query: HeatQuery) -> Response:
    """Where the model looked: an overlay to lay over the photo, clear where the label has its grounds. It says where, not why."""
    count_photos()
    classifier = get_classifier(query.model)
    label = query.label or history.first_label(public_id, classifier.card.name)
    found = heat.heat_map(
        public_id, label, classifier=classifier, files=get_files(), limiter=get_limiter()
    )
    return picture(found, varies=True)


@call(
    bp,
    "PUT",
    "/photos/<public_id>/ground-truth",
    needs=Need.REVIEW,
    answers={200: shapes.RelabelledPhoto},
    errors=(*GONE, errors.UnknownLabelError, errors.ModelNotFoundError),
)
def put_ground_truth(public_id: PhotoId, body: GroundTruthBody) -> ResponseReturnValue:
    """Say what a photo really shows."""
    history.get_item(public_id)
    first, *others = (
        [get_classifier(body.model).card] if body.model else get_cards() or [get_classifier().card]
    )
    done = relabel.relabel_photos(
        [public_id], body.label, card=first, others=others, who=who(), place="api", why=body.why
    )
    return jsonify(
        payloads.relabelled_photo(history.get_item(public_id), get_registry(), body.label, done)
    )


@call(
    bp,
    "DELETE",
    "/photos/<public_id>",
    needs=Need.OWN,
    answers={204: None},
    errors=(*GONE, errors.NotAllowedError),
)
def delete(public_id: PhotoId, query: TokenQuery) -> ResponseReturnValue:
    """Delete a photo: with a key of the scope `admin`, or with the token of its uploader.

    For seven days it can be restored, then it is gone for good. A photo with a star is not deleted.
    """
    deleting.delete_photo(public_id, who=who(), admin=has("admin"), token=query.token)
    return "", HTTPStatus.NO_CONTENT


@call(
    bp,
    "POST",
    "/photos/<public_id>/restore",
    needs=Need.OWN,
    answers={200: shapes.Photo},
    errors=(errors.PhotoNotFoundError,),
)
def restore(public_id: PhotoId, query: TokenQuery) -> ResponseReturnValue:
    """Bring a deleted photo back, with the key or token that may delete it."""
    deleting.restore_photo(public_id, admin=has("admin"), token=query.token)
    return jsonify(payloads.photo(history.get_item(public_id), get_registry()))
