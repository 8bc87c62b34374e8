"""Photos: filters, uploads, predictions, pages of the list, label history."""

from collections.abc import Sequence
from typing import Annotated, NotRequired, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from webapp.api.schemas.base import (
    OFF,
    ApiRequest,
    File,
    JsonShape,
    KeepMetadata,
    Moment,
    MultipartRequest,
    Why,
    enum,
    example,
)
from webapp.api.schemas.cars import CarJson, DetectedCarJson, car_json, classified_car_json
from webapp.api.schemas.predictions import PredictionJson, answer_json, prediction_json
from webapp.domain import ALL_MODELS, OUTCOMES, ClassifiedCar, RankedLabel, moment
from webapp.errors import MarqueError
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter, Text
from webapp.inference.models.registry import Registry
from webapp.services.photos.classify import MAX_FILES, Incoming, StoredPhoto, clean_name
from webapp.services.photos.filters import check_model
from webapp.services.photos.gallery import (
    MAX_LIMIT,
    PAGE,
    Photo,
    cars_of,
    current_predictions,
)
from webapp.storage.tables import LabelEvent

# ---- requests ----

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]


class Filters(GalleryFilter, ApiRequest):
    """The gallery's filters: all that are given hold at once."""

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        check_model(self, get_registry())
        return self


class ListQuery(Filters):
    """A page of photos."""

    limit: Limit = PAGE
    """How many photos."""
    cursor: Text = ""
    """`next` or `previous` of another page, or `last`."""


class ChoiceQuery(ApiRequest):
    """Whose prediction."""

    model: Text = ""
    """A model's name, or `all`; without it the photo's shown prediction."""


class FileQuery(ApiRequest):
    """Whether a file keeps its metadata."""

    metadata: KeepMetadata = OFF
    """`keep`, with a key of the scope `admin`: the file as it came, with what it tells about place,
    time and camera."""


class HeatQuery(ApiRequest):
    """Which car, which model, and which of its labels."""

    car: Text = ""
    """The id of a car of the photo; without it the main car."""
    model: Text = ""
    """A live model; without it the site's own."""
    label: Text = ""
    """A label of that model; without it the first of its ranking."""


class TokenQuery(ApiRequest):
    """A token instead of a key."""

    token: Text = ""
    """From the delete link that the page showed to the uploader of the photo."""


class ClassifyForm(MultipartRequest):
    """Photos, and which models classify them."""

    file: Annotated[list[File], Field(min_length=1, json_schema_extra={"maxItems": MAX_FILES})]
    """A photo; the field may come several times."""
    model: str = ""
    """A live model, or `all`; without it all look and the one that knows the car answers."""


class PhotoForm(ClassifyForm):
    """Photos that are kept."""

    ground_truth: str = ""
    """What they show: a label of a model that is asked, `none`, `unusable` or `no-car`."""


class GroundTruthBody(ApiRequest):
    """What a car really is."""

    model_config = example(label="mclaren", why="seen from the other side")

    label: str
    """A label, `none` (none of the labels), `unusable` or `no-car`."""
    why: Why = ""
    model: str = ""
    """The model whose label it is; without it any live one."""


# ---- answers ----


class PhotoJson(JsonShape):
    """A photo with the prediction that was asked for."""

    id: str
    filename: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    bytes: Annotated[int, Field(ge=1)]
    created_at: Moment
    ground_truth: str | None
    """The label that a person gave it, `none` (none of the labels), `unusable` or `no-car`; null
    without."""
    outcome: Annotated[str, enum(*OUTCOMES)]
    """What became of the prediction, held against the ground truth."""
    prediction: PredictionJson | None
    """Null when no model has classified the photo yet."""
    predictions: NotRequired[list[PredictionJson]]
    """One for each model, when all were asked."""
    cars: list[CarJson]
    """The cars, the main one first; at least one."""
    car_count: int | None
    """How many cars were found or drawn, without those that are no car; null while no detector has
    looked, so that the whole photo counts as one."""


class UploadedPhotoJson(PhotoJson):
    """A photo that was sent."""

    duplicate: bool
    """True when its bytes were known already: it is the photo that was there."""


class RelabelledPhotoJson(PhotoJson):
    """A photo that was given a ground truth."""

    taken_as: NotRequired[str]
    """The label that was given, when the one that was sent had been merged into it."""


LabelEventJson = TypedDict(
    "LabelEventJson",
    {
        "event": int,
        "from": Annotated[
            str | None, Field(description="The label before, as it was given; null for none.")
        ],
        "to": Annotated[
            str | None, Field(description="The label from then on; null when it was taken away.")
        ],
        "who": str,
        "when": Moment,
        "why": str,
        "place": Annotated[
            str,
            Field(
                description="Where it was done: queue, audit, gallery, photo, upload, api, cli, "
                "undo or delete."
            ),
        ],
        "batch": Annotated[
            str, Field(description="`DELETE /labels/batches/{batch}` undoes the whole batch.")
        ],
        "undoes": Annotated[int | None, Field(description="The event that this one takes back.")],
        "undone": Annotated[bool, Field(description="It was taken back since.")],
    },
)
"""One entry of a photo's label history."""


class LabelHistoryJson(JsonShape):
    """The ground truths that people gave a photo, newest first."""

    items: list[LabelEventJson]


class _UploadResultJson(JsonShape):
    """The result of one of several files: `photo`, or `error` with the sentence that it would have
    got alone."""

    filename: str
    status: int
    """The HTTP status that this file alone would have got."""
    photo: NotRequired[UploadedPhotoJson]
    error: NotRequired[str]


class UploadResultsJson(JsonShape):
    """The results of several files, in their order."""

    results: list[_UploadResultJson]


class ClassifiedJson(JsonShape):
    """The answer about a photo that was not stored."""

    filename: str
    prediction: PredictionJson
    """The one that is shown of the main car."""
    predictions: list[PredictionJson]
    """One for each model that was asked, of the main car."""
    cars: list[DetectedCarJson]
    """The cars, the main one first; at least one."""


class _ClassifyResultJson(JsonShape):
    """The answer about one of several files: `prediction`, or `error`."""

    filename: str
    status: int
    """The HTTP status that this file alone would have got."""
    prediction: NotRequired[PredictionJson]
    predictions: NotRequired[list[PredictionJson]]
    cars: NotRequired[list[DetectedCarJson]]
    error: NotRequired[str]


class ClassifyResultsJson(JsonShape):
    """The answers about several files, in their order."""

    results: list[_ClassifyResultJson]


class PhotoPageJson(JsonShape):
    """A page of the list."""

    items: list[PhotoJson]
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""
    previous: str | None
    """The `cursor` of the page before this one; null on the first."""


# ---- presenters ----


def photo_json(
    photo: Photo, registry: Registry, choice: str = "", ranked: Sequence[RankedLabel] = ()
) -> PhotoJson:
    """A photo; with the predictions of every model when the choice of models was all. `ranked` are
    all labels of its prediction, where they are known."""
    shown: PhotoJson = {
        "id": photo.public_id,
        "filename": photo.filename,
        "sha256": photo.sha256,
        "width": photo.width,
        "height": photo.height,
        "bytes": photo.bytes,
        "created_at": moment(photo.created_at),
        "ground_truth": photo.ground_truth,
        "outcome": photo.outcome,
        "prediction": None,
        "cars": [],
        "car_count": photo.car_count,
    }
    known = {}
    if row := photo.prediction:
        shown["outcome"] = row.outcome
        shown["prediction"] = known[row.id] = prediction_json(row, registry, ranked)
    shown["cars"] = [car_json(car, registry, known) for car in cars_of(photo)]
    if choice == ALL_MODELS:
        shown["predictions"] = [
            known.get(row.id) or prediction_json(row, registry)
            for row in current_predictions(photo)
        ]
    return shown


def label_event_json(event: LabelEvent) -> LabelEventJson:
    """One entry of a photo's label history."""
    return {
        "event": event.id,
        "from": event.from_label,
        "to": event.to_label,
        "who": event.who,
        "when": moment(event.created_at),
        "why": event.why,
        "place": event.place,
        "batch": event.batch,
        "undoes": event.undoes,
        "undone": event.undone,
    }


def uploaded_json(done: StoredPhoto, registry: Registry, choice: str) -> UploadedPhotoJson:
    """A photo that was sent."""
    return {**photo_json(done.photo, registry, choice, done.ranked), "duplicate": done.duplicate}


def upload_result_json(
    incoming: Incoming, result: StoredPhoto | MarqueError, registry: Registry, choice: str
) -> _UploadResultJson:
    """The result of one of several files."""
    filename = clean_name(incoming.filename)
    if isinstance(result, MarqueError):
        return {"filename": filename, "status": result.status, "error": str(result)}
    photo = uploaded_json(result, registry, choice)
    return {"filename": filename, "status": 200 if result.duplicate else 201, "photo": photo}


def classified_json(incoming: Incoming, cars: Sequence[ClassifiedCar]) -> ClassifiedJson:
    """The answer about a photo that was not stored."""
    main = cars[0]
    assert main.answer is not None  # noqa: S101  (at least one model was asked)
    return {
        "filename": clean_name(incoming.filename),
        "prediction": answer_json(main.answer),
        "predictions": [answer_json(answer) for answer in main.answers],
        "cars": [classified_car_json(car) for car in cars],
    }


def classify_result_json(
    incoming: Incoming, result: Sequence[ClassifiedCar] | MarqueError
) -> _ClassifyResultJson:
    """The answer about one of several files."""
    if isinstance(result, MarqueError):
        filename = clean_name(incoming.filename)
        return {"filename": filename, "status": result.status, "error": str(result)}
    return {"status": 200, **classified_json(incoming, result)}
