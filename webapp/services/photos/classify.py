"""A photo comes in, is classified and stored."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from webapp.domain import Box, ClassifiedCar, DetectedCar, RankedLabel, Who
from webapp.errors import MarqueError, NoFileError, PhotoRefusedError, PhotoTooLargeError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import ClassifiedPhoto, Classifier, classify
from webapp.inference.decoding.images import (
    MAX_BYTES,
    thumbnail_hash,
)
from webapp.inference.detector import Detector
from webapp.services.cars.rows import count_cars, make_cars, make_prediction, with_merges
from webapp.services.labels.label_mapping import remember_labels
from webapp.services.labels.relabel import record_label, resolve_label
from webapp.services.photos.gallery import get_photo, stored_content
from webapp.services.webhooks import events as webhook_events
from webapp.storage.cars.cars import load_cars, main_cars_of
from webapp.storage.cars.predictions import add_prediction, answered_by, insert_predictions
from webapp.storage.database import insert_row, writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels.events import Stamp, new_batch
from webapp.storage.photos import photos as storage
from webapp.storage.photos.deletion import restore
from webapp.storage.tables import Car, Photo, Upload, now

MAX_FILES = 50
_GONE = "The photo was deleted while it came in. Nothing is stored: send it again."
_JOINERS = "\u200c\u200d"  # invisible, but some scripts and emoji need them between two others

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Incoming:
    """One file of an upload: its bytes, and the name its sender gave it."""

    filename: str
    content: bytes


@dataclass(frozen=True)
class Pipeline:
    """What a photo passes: the limiter, the detector, the models that classify its cars, and where
    its bytes live."""

    classifiers: Sequence[Classifier]
    files: FileStore
    limiter: AdmissionLimiter
    detector: Detector | None = None  # without one the whole photo counts as a car

    @property
    def model(self) -> str:
        """The model whose answer is shown, "" when several are asked: then the one that knows this
        kind of car answers."""
        return self.classifiers[0].card.name if len(self.classifiers) == 1 else ""


@dataclass(frozen=True)
class Origin:
    """Where a photo comes from: who sent it, through which interface, in which batch."""

    who: Who
    place: str = "upload"
    ground_truth: str = ""  # a label of one of the models, or a verdict, that was sent with it
    batch: str = ""
    truth_model: str | None = None  # whose label the ground truth is, None until that is known


@dataclass(frozen=True)
class StoredPhoto:
    """A stored photo with the prediction of the first model that was asked."""

    photo: Photo
    duplicate: bool  # its bytes were known already
    delete_token: str = ""  # of a new photo; only a hash of it is stored
    ranked: Sequence[RankedLabel] = ()  # all labels of a new prediction


# ---- classify, store nothing ----


def answer_photo(incoming: Incoming, pipeline: Pipeline) -> list[ClassifiedCar]:
    """The cars of a photo, the main one first, with each model's answer. Raises
    `PhotoRefusedError` or `ServerBusyError`."""
    _check_size(incoming.content)
    cars = classify_cars(incoming.content, pipeline).cars
    return with_merges(cars, pipeline.classifiers)


def answer_photos(
    incoming: Sequence[Incoming], pipeline: Pipeline
) -> list[list[ClassifiedCar] | MarqueError]:
    """`answer_photo` for each; an error is its result where it failed."""
    return _each(incoming, lambda photo: answer_photo(photo, pipeline))


# ---- classify and store ----


def classify_photo(
    incoming: Incoming,
    pipeline: Pipeline,
    origin: Origin,
    classified: ClassifiedPhoto | None = None,
) -> StoredPhoto:
    """Classify a photo and store all of it in one transaction, committed on return.

    Known bytes give their photo what it lacks, and bring it back if it was deleted. `classified`
    is what another process made of the file; it counts if it is of the same bytes.

    Raises `PhotoRefusedError`, `UnknownLabelError`, `ServerBusyError` or `StorageFullError`;
    nothing was stored then.
    """
    return _classify_photo(incoming, pipeline, _checked(origin, pipeline), classified)


def classify_photos(
    incoming: Sequence[Incoming], pipeline: Pipeline, origin: Origin
) -> list[StoredPhoto | MarqueError]:
    """`classify_photo` for each, in order; an error is its result where it failed.

    Several files become one batch. Raises `NoFileError` without any, `PhotoTooLargeError` for more
    than 50, `UnknownLabelError`: nothing is stored then.
    """
    _check_number(incoming)
    origin = _checked(origin, pipeline)
    if len(incoming) > 1 and not origin.batch:
        origin = replace(origin, batch=new_batch())
    return _each(incoming, lambda photo: _classify_photo(photo, pipeline, origin))


def store_unclassified(incoming: Incoming, pipeline: Pipeline, origin: Origin) -> StoredPhoto:
    """Store a photo for now without asking a model; committed on return.

    Known bytes give their photo the ground truth if it had none. Raises like `classify_photo`.
    """
    unasked = replace(pipeline, classifiers=())
    return _classify_photo(incoming, unasked, _checked(origin, pipeline))


def is_stored(content: bytes, classifiers: Sequence[Classifier], ground_truth: str = "") -> bool:
    """True when `classify_photo` would change nothing, so no model needs to see these bytes."""
    known = storage.find_photo(Photo.sha256 == hashlib.sha256(content).hexdigest())
    return known is not None and _is_complete(known, classifiers, ground_truth)


def _classify_photo(
    incoming: Incoming,
    pipeline: Pipeline,
    origin: Origin,
    classified: ClassifiedPhoto | None = None,
) -> StoredPhoto:
    _check_size(incoming.content)
    sha256 = hashlib.sha256(incoming.content).hexdigest()
    known = _find(sha256)
    if known is None:
        if classified is None or classified.sha256 != sha256:
            classified = classify_cars(incoming.content, pipeline, thumbnail=True)
            classified = replace(classified, sha256=sha256)
        try:
            return _store(incoming, pipeline, origin, classified)
        except IntegrityError:  # the same bytes were stored at the same moment
            known = _load(sha256)
    return _complete(incoming, pipeline, origin, known)


def _store(
    incoming: Incoming, pipeline: Pipeline, origin: Origin, classified: ClassifiedPhoto
) -> StoredPhoto:
    """Write a new photo and what belongs to it. Raises `IntegrityError` for known bytes."""
    decoded, token = classified.decoded, secrets.token_urlsafe(18)
    photo = Photo(
        public_id=secrets.token_urlsafe(9),
        filename=clean_name(incoming.filename),
        sha256=classified.sha256,
        width=decoded.width,
        height=decoded.height,
        bytes=len(incoming.content),
        format=decoded.format,
        has_metadata=decoded.has_metadata,
        created_at=now(),
        uploader_id=origin.who.user_id,
        delete_hash=hashlib.sha256(token.encode()).hexdigest(),
        source=origin.place,
        batch=origin.batch or None,
        phash=thumbnail_hash(classified.thumbnail),
        car_count=count_cars(classified),
        detector_version=classified.detector_version,
    )
    with writing():
        pipeline.files.put(photo.sha256, incoming.content)
        classified_cars = with_merges(classified.cars, pipeline.classifiers)
        cars = make_cars(replace(classified, cars=classified_cars))
        storage.add_photo(photo, classified.thumbnail, cars)
        for classifier in pipeline.classifiers:
            remember_labels(classifier.card)
        insert_predictions([(car, row) for car in cars for row in car.predictions])
        if photo.prediction is not None:
            webhook_events.photo_answered(photo, photo.prediction)
        if origin.ground_truth:
            _label(cars[0], origin)
    answer = classified_cars[0].answer
    if answer is None or origin.ground_truth:
        return StoredPhoto(_load(photo.sha256, pipeline.model), False, token)
    return StoredPhoto(photo, False, token, answer.ranked)


def _complete(incoming: Incoming, pipeline: Pipeline, origin: Origin, photo: Photo) -> StoredPhoto:
    """Add to a known photo what it lacks: predictions of these versions, a ground truth."""
    asked = _ask(photo, incoming.content, pipeline)
    unlabelled = bool(origin.ground_truth) and photo.ground_truth is None
    if asked or unlabelled:
        with writing():
            photo = _load(photo.sha256)
            if asked:
                _add_answers(photo, asked)
            if origin.ground_truth and photo.ground_truth is None:
                _label(main_cars_of([photo.public_id])[photo.public_id], origin)
    return StoredPhoto(_load(photo.sha256, pipeline.model), duplicate=True)


def _label(car: Car, origin: Origin) -> None:
    """Give a photo's main car the label that it was sent with; webhooks hear nothing of it."""
    stamp = Stamp(origin.who, origin.place)
    record_label(car, origin.ground_truth, origin.truth_model, stamp)


# ---- ask models about stored photos ----


@dataclass(frozen=True)
class _Asked:
    """What `classifiers` said about stored cars: `cars` are answered in the order of `boxes`, by
    the cars' numbers. `standing`: the answers stand for their models."""

    classifiers: Sequence[Classifier]
    boxes: Mapping[int, Box]
    cars: Sequence[ClassifiedCar]
    standing: bool


def ask_models(photo: Photo, pipeline: Pipeline, *, standing: bool = True) -> bool:
    """Let models classify the cars of a stored photo; those that did are not asked again. False
    when all did.

    `standing`: the answers stand for their models, else they are only kept. Raises
    `PhotoNotFoundError`, `PhotoRefusedError`, `ServerBusyError` or `StorageFullError`.
    """
    asked = _ask(photo, None, pipeline, standing=standing)
    if asked is None:
        return False
    with writing():
        photo = get_photo(photo.public_id)
        unseen = photo.prediction is None
        _add_answers(photo, asked)
        if unseen and photo.prediction is not None:
            webhook_events.photo_answered(photo, photo.prediction)
    return True


def _ask(
    photo: Photo, content: bytes | None, pipeline: Pipeline, *, standing: bool = True
) -> _Asked | None:
    """What the models that lack an answer say about the cars of a photo, None when all have
    answered. `content`: the photo's bytes, None to read them."""
    missing = _missing(photo, pipeline.classifiers, standing=standing)
    if not missing:
        return None
    load_cars([photo])
    detector = pipeline.detector if photo.detector_version is not None else None
    asked = replace(pipeline, classifiers=missing, detector=detector)
    found = [car.detected for car in photo.cars]
    content = stored_content(photo, pipeline.files) if content is None else content
    cars = classify_cars(content, asked, found).cars
    return _Asked(missing, {car.id: car.box for car in photo.cars}, cars, standing)


def _add_answers(photo: Photo, asked: _Asked) -> None:
    """Store answers about cars in the caller's transaction, and the label sets they were chosen
    from. A car whose box was changed meanwhile has been classified anew and is left alone."""
    answered = answered_by(photo.id, standing=asked.standing)
    load_cars([photo])
    cars = {car.id: car for car in photo.cars}
    for classifier in asked.classifiers:
        remember_labels(classifier.card)
    merged = with_merges(asked.cars, asked.classifiers)
    for (number, box), classified in zip(asked.boxes.items(), merged, strict=True):
        car = cars.get(number)
        if car is None or car.box != box:
            continue
        first = classified.answer if car.prediction is None else None
        for answer in sorted(classified.answers, key=lambda answer: answer is not first):
            if (answer.model, answer.version) not in answered[number]:
                add_prediction(car, make_prediction(answer), standing=asked.standing)


# ---- forms of several files ----


def store_upload(
    incoming: Sequence[Incoming], results: Sequence[StoredPhoto | MarqueError], model: str = ""
) -> str:
    """Store what became of each file of a form and which `model` was chosen; the upload's id."""
    public_id, lines = secrets.token_urlsafe(9), []
    for photo, result in zip(incoming, results, strict=True):
        stored = result if isinstance(result, StoredPhoto) else None
        lines.append(
            {
                "filename": clean_name(photo.filename),
                "photo": stored and stored.photo.public_id,
                "duplicate": bool(stored and stored.duplicate),
                "error": None if stored else str(result),
                "model": model,
            }
        )
    with writing():
        insert_row(Upload(public_id=public_id, results=lines))
    return public_id


def clean_name(filename: str) -> str:
    """A user's file name as we store it: no folders, no control characters, 1 to 255 characters."""
    text = filename.encode("utf-8", "replace").decode("utf-8").replace("\\", "/").rsplit("/", 1)[-1]
    text = "".join(char for char in text if char.isprintable() or char in _JOINERS).strip()
    if len(text) > 255:
        stem, dot, ending = text.rpartition(".")
        text = f"{stem[: 254 - len(ending)]}.{ending}" if dot and len(ending) <= 10 else text[:255]
    return text or "photo"


# ---- steps ----


def _each(
    incoming: Sequence[Incoming], classify_one: Callable[[Incoming], _Result]
) -> list[_Result | MarqueError]:
    _check_number(incoming)
    results: list[_Result | MarqueError] = []
    for photo in incoming:
        try:
            results.append(classify_one(photo))
        except MarqueError as error:
            results.append(error)
    return results


def _check_number(incoming: Sequence[Incoming]) -> None:
    if not incoming:
        raise NoFileError(
            "No photo came with the form. Choose one or more files, then press the button again."
        )
    if len(incoming) > MAX_FILES:
        raise PhotoTooLargeError(
            f"These are {len(incoming)} files; {MAX_FILES} are the most at a time. "
            "Nothing was stored: send them in parts."
        )


def _check_size(content: bytes) -> None:
    """Before hashing and decoding; `decode_photo` has the other caps."""
    if len(content) > MAX_BYTES:
        raise PhotoTooLargeError(
            f"The photo is larger than {MAX_BYTES // 2**20} MB. "
            "Nothing was stored: make it smaller and send it again."
        )


def _checked(origin: Origin, pipeline: Pipeline) -> Origin:
    """With the ground truth as it is called now. Raises `UnknownLabelError`."""
    if not origin.ground_truth:
        return origin
    cards = [classifier.card for classifier in pipeline.classifiers]
    label, model = resolve_label(origin.ground_truth, cards)
    return replace(origin, ground_truth=label, truth_model=model)


def _find(sha256: str) -> Photo | None:
    """The photo with these bytes, brought back if it was deleted and is still there."""
    row = storage.find_bytes(sha256)
    if row is None:
        return None
    if row.deleted_at is not None:
        with writing():
            restore(Photo.sha256 == sha256)
    return storage.find_photo(Photo.sha256 == sha256)


def _load(sha256: str, model: str = "") -> Photo:
    """The stored photo with the prediction of `model`, or the shown one. Raises
    `PhotoRefusedError` when somebody deleted it at this moment."""
    if known := storage.find_photo(Photo.sha256 == sha256, model):
        return known
    raise PhotoRefusedError(_GONE)


def classify_cars(
    content: bytes,
    pipeline: Pipeline,
    cars: Sequence[DetectedCar] = (),
    *,
    thumbnail: bool = False,
) -> ClassifiedPhoto:
    """What the pipeline says about these cars of a photo; without them, about those that it finds.
    Raises `PhotoRefusedError` or `ServerBusyError`."""
    with pipeline.limiter.slot():
        return classify(
            content, pipeline.classifiers, pipeline.detector, cars=cars, thumbnail=thumbnail
        )


def _is_complete(photo: Photo, classifiers: Sequence[Classifier], ground_truth: str) -> bool:
    return not _missing(photo, classifiers) and bool(not ground_truth or photo.ground_truth)


def _missing(
    photo: Photo, classifiers: Sequence[Classifier], *, standing: bool = True
) -> list[Classifier]:
    """Those that have not answered yet about each car, or whose answer does not stand for their
    model yet."""
    answered = answered_by(photo.id, standing=standing).values()
    return [
        each
        for each in classifiers
        if any((each.card.name, each.card.version) not in versions for versions in answered)
    ]
