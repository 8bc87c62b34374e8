"""A photo comes in, is classified and stored."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from webapp.domain import Answer, RankedLabel, Who
from webapp.errors import MarqueError, NoFileError, PhotoRefusedError, PhotoTooLargeError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import ClassifiedPhoto, Classifier, classify, make_answer
from webapp.inference.decoding.images import (
    MAX_BYTES,
    thumbnail_hash,
)
from webapp.inference.models.label_set import has_merges
from webapp.services.labels.label_mapping import current_card, remember_labels
from webapp.services.labels.relabel import record_label, resolve_label
from webapp.services.photos.gallery import get_photo, stored_content
from webapp.services.webhooks import events as webhook_events
from webapp.storage.database import insert_row, writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels.events import Stamp, new_batch
from webapp.storage.photos import photos as storage
from webapp.storage.photos.deletion import restore
from webapp.storage.tables import Photo, Prediction, TopLabel, Upload, now

_TOP = 5
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
    """What a photo passes: the limiter, the models that classify it, and where its bytes live."""

    classifiers: Sequence[Classifier]  # the answer of the first one is shown first
    files: FileStore
    limiter: AdmissionLimiter

    @property
    def model(self) -> str:
        """The model whose answer is shown first, "" when none is asked."""
        return self.classifiers[0].card.name if self.classifiers else ""


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


def answer_photo(incoming: Incoming, pipeline: Pipeline) -> list[Answer]:
    """Each model's answer. Raises `PhotoRefusedError` or `ServerBusyError`."""
    _check_size(incoming.content)
    answers = _classify(incoming.content, pipeline).cars[0].answers
    return [_with_merges(*pair) for pair in zip(pipeline.classifiers, answers, strict=True)]


def answer_photos(
    incoming: Sequence[Incoming], pipeline: Pipeline
) -> list[list[Answer] | MarqueError]:
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
    if known and _is_complete(known, pipeline.classifiers, origin.ground_truth):
        return StoredPhoto(_load(sha256, pipeline.model), duplicate=True)
    if classified is None or classified.sha256 != sha256:
        classified = _classify(incoming.content, pipeline, thumbnail=known is None)
        classified = replace(classified, sha256=sha256)
    if known is None:
        with suppress(IntegrityError):  # the same bytes were stored at the same moment
            return _store(incoming, pipeline, origin, classified)
    return _complete(pipeline, origin, sha256, classified.cars[0].answers)


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
        dhash=thumbnail_hash(classified.thumbnail),
    )
    with writing():
        pipeline.files.put(photo.sha256, incoming.content)
        answers = list(map(_with_merges, pipeline.classifiers, classified.cars[0].answers))
        rows = [_prediction_row(answer) for answer in answers]
        storage.add_photo(photo, classified.thumbnail, rows[0] if rows else None)
        for classifier, prediction in zip(pipeline.classifiers, rows, strict=True):
            remember_labels(classifier.card)
            storage.insert_prediction(photo, prediction, shown=prediction is rows[0])
        if rows:
            webhook_events.photo_answered(photo, rows[0])
        if origin.ground_truth:
            _label(photo, origin)
    if rows and not origin.ground_truth:
        return StoredPhoto(photo, False, token, answers[0].ranked)
    return StoredPhoto(_load(photo.sha256, pipeline.model), False, token)


def _complete(
    pipeline: Pipeline, origin: Origin, sha256: str, answers: Sequence[Answer]
) -> StoredPhoto:
    """Add to a known photo what it lacks: predictions of these versions, a ground truth."""
    if answers or origin.ground_truth:
        with writing():
            photo = _load(sha256)
            missing = _missing(photo, pipeline.classifiers)
            for classifier, answer in zip(pipeline.classifiers, answers, strict=True):
                if classifier in missing:
                    _add_answer(photo, classifier, answer)
            if origin.ground_truth and photo.ground_truth is None:
                _label(photo, origin)
    return StoredPhoto(_load(sha256, pipeline.model), duplicate=True)


def _label(photo: Photo, origin: Origin) -> None:
    """Give a photo the label that it was sent with; webhooks hear nothing of it."""
    stamp = Stamp(origin.who, origin.place)
    record_label(photo, origin.ground_truth, origin.truth_model, stamp)


# ---- ask models about stored photos ----


def ask_models(photo: Photo, pipeline: Pipeline, *, standing: bool = True) -> bool:
    """Let models classify a stored photo; those that did are not asked again. False when all did.

    `standing`: the answers stand for their models, else they are only kept. Raises
    `PhotoNotFoundError`, `PhotoRefusedError`, `ServerBusyError` or `StorageFullError`.
    """
    missing = _missing(photo, pipeline.classifiers, standing=standing)
    if not missing:
        return False
    content = stored_content(photo, pipeline.files)
    answers = _classify(content, replace(pipeline, classifiers=missing)).cars[0].answers
    with writing():
        photo = get_photo(photo.public_id)
        unseen = photo.prediction is None
        for classifier, answer in zip(missing, answers, strict=True):
            _add_answer(photo, classifier, answer, standing=standing)
        if unseen and photo.prediction is not None:
            webhook_events.photo_answered(photo, photo.prediction)
    return True


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


def _classify(content: bytes, pipeline: Pipeline, *, thumbnail: bool = False) -> ClassifiedPhoto:
    with pipeline.limiter.slot():
        return classify(content, pipeline.classifiers, thumbnail=thumbnail)


def _is_complete(photo: Photo, classifiers: Sequence[Classifier], ground_truth: str) -> bool:
    return not _missing(photo, classifiers) and bool(not ground_truth or photo.ground_truth)


def _missing(
    photo: Photo, classifiers: Sequence[Classifier], *, standing: bool = True
) -> list[Classifier]:
    """Those that have not answered yet, or whose answer does not stand for their model yet."""
    answered = storage.answered_by(photo, standing=standing)
    return [each for each in classifiers if (each.card.name, each.card.version) not in answered]


def _add_answer(
    photo: Photo, classifier: Classifier, answer: Answer, *, standing: bool = True
) -> None:
    """Store an answer in the caller's transaction, and the label set it was chosen from."""
    remember_labels(classifier.card)
    prediction = _prediction_row(_with_merges(classifier, answer))
    storage.add_prediction(photo, prediction, standing=standing)


def _with_merges(classifier: Classifier, answer: Answer) -> Answer:
    """The answer with the probabilities of merged labels added up; where it is stored, in the same
    transaction."""
    card = current_card(classifier.card)
    if card is classifier.card or not has_merges(card):
        return answer
    return make_answer(card, answer.output, answer.elapsed_ms)


def _prediction_row(answer: Answer) -> Prediction:
    top = answer.ranked[:_TOP]
    return Prediction(
        model=answer.model,
        version=answer.version,
        decision=answer.decision,
        label=top[0].label,
        confidence=answer.confidence,
        margin=answer.margin,
        familiarity=answer.output.familiarity,
        elapsed_ms=answer.elapsed_ms,
        distribution=answer.output.probabilities.astype("<f4").tobytes(),
        embedding=answer.output.embedding.astype("<f2").tobytes(),
        top=[
            TopLabel(rank=line.rank, label=line.label, probability=line.probability) for line in top
        ],
    )
