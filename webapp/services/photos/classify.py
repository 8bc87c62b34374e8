"""A photo comes in, is ranked, is remembered."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.exc import IntegrityError

from webapp.domain import UNLABELLED, Answer, Who
from webapp.errors import MarqueError, NoFileError, PhotoRefusedError, PhotoTooLargeError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.decoding.images import (
    MAX_BYTES,
    decode_photo,
    make_thumbnail,
    thumbnail_hash,
    working_side,
)
from webapp.inference.pipeline import ClassifiedPhoto, classify, make_answer
from webapp.services.labels.label_mapping import remember_labels, today
from webapp.services.labels.relabel import check_label, model_of, new_batch, record_label
from webapp.services.photos.gallery import get_item, stored_content
from webapp.services.webhooks import events as webhook_events
from webapp.storage.database import writing
from webapp.storage.file_stores.database import FileStore
from webapp.storage.labels.label_sets import SAID, keep_originals
from webapp.storage.photos import photos as storage
from webapp.storage.tables import Photo, Prediction, Upload, now

__all__ = [
    "MAX_BYTES",
    "MAX_FILES",
    "Incoming",
    "StoredPhoto",
    "answer_by_all",
    "answer_photo",
    "answer_photos",
    "ask_models",
    "classify_photo",
    "classify_upload",
    "clean_name",
    "is_remembered",
    "keep_photo",
    "remember_upload",
]

TOP = 5
MAX_FILES = 50
GONE = "The photo was deleted while it came in. Nothing is stored: send it again."
JOINERS = "\u200c\u200d"
"""Invisible characters that some scripts and emoji need between two others; all other invisible ones are dropped from names."""


@dataclass(frozen=True)
class StoredPhoto:
    """A remembered photo, `photo.prediction` being what the model that was asked said, and its `outcome`.

    `duplicate` tells that its bytes were known already; `delete_token` is "" then, and never kept in clear.
    """

    photo: Photo
    outcome: str
    duplicate: bool
    delete_token: str = ""


@dataclass(frozen=True)
class Incoming:
    """One file of an upload: its bytes, and the name its sender gave it."""

    filename: str
    content: bytes


def answer_photo(
    incoming: Incoming, *, classifier: Classifier, limiter: AdmissionLimiter
) -> Answer:
    """What the model says about a photo; nothing is stored. Raises `PhotoRefusedError` or `ServerBusyError`."""
    return answer_by_all(incoming, classifiers=[classifier], limiter=limiter)[0]


def answer_by_all(
    incoming: Incoming, *, classifiers: Sequence[Classifier], limiter: AdmissionLimiter
) -> list[Answer]:
    """The same by several models, in their order."""
    _check_size(incoming.content)
    answers = _look(incoming.content, classifiers, limiter).answers
    return [
        _as_today(classifier, answer)[0]
        for classifier, answer in zip(classifiers, answers, strict=True)
    ]


def answer_photos(
    incoming: list[Incoming], *, classifiers: Sequence[Classifier], limiter: AdmissionLimiter
) -> list[list[Answer] | MarqueError]:
    """`answer_by_all` for several files in order, each for itself: what failed is its error in the list."""
    _check_number(incoming)
    answers: list[list[Answer] | MarqueError] = []
    for one in incoming:
        try:
            answers.append(answer_by_all(one, classifiers=classifiers, limiter=limiter))
        except MarqueError as error:
            answers.append(error)
    return answers


def classify_photo(
    incoming: Incoming,
    *,
    classifier: Classifier,
    others: Sequence[Classifier] = (),
    files: FileStore,
    limiter: AdmissionLimiter,
    who: Who,
    ground_truth: str = "",
    place: str = "upload",
    batch: str = "",
    looked: ClassifiedPhoto | None = None,
) -> StoredPhoto:
    """Rank a photo and remember it: bytes, thumbnail, photo, predictions and label in one transaction, committed on return.

    `classifier` is the model whose answer comes back; `others` look at it as well. `batch` names what came together. `looked` is what
    another process saw when these models looked at the file, to be stored; it counts when it saw the same bytes. Bytes that
    are known already are not stored twice: the photo they belong to comes back (also one that was deleted and waits for its end), with
    predictions of these model versions added where it had none, and with `ground_truth` (a label of one of these models, or a verdict)
    when it had none. Raises `PhotoRefusedError`, `UnknownLabelError`, `ServerBusyError` or
    `StorageFullError`; nothing was stored then.
    """
    asked = [classifier, *others]
    if ground_truth:
        ground_truth = check_label(ground_truth, *(one.card for one in asked))
    _check_size(incoming.content)
    sha256 = hashlib.sha256(incoming.content).hexdigest()
    known = _known(sha256)
    if known is not None and _is_complete(known, asked, ground_truth):
        return _found(sha256, classifier.card.name, duplicate=True)
    if looked is None or looked.sha256 != sha256:
        looked = _look(incoming.content, asked, limiter, thumbnail=known is None)
    if known is None:
        try:
            return _remember_new(
                incoming,
                sha256,
                asked,
                looked,
                files=files,
                who=who,
                ground_truth=ground_truth,
                place=place,
                batch=batch,
            )
        except IntegrityError:  # the same bytes came in through another door at the same moment
            pass
    return _remember_again(
        sha256, asked, looked.answers, who=who, ground_truth=ground_truth, place=place
    )


def is_remembered(content: bytes, asked: Sequence[Classifier], ground_truth: str = "") -> bool:
    """True when `classify_photo` would find all of it in the history: nobody has to look at these bytes again."""
    sha256 = hashlib.sha256(content).hexdigest()
    found = storage.find_photo_by_sha256(sha256) if storage.knows_sha256(sha256) else None
    return found is not None and _is_complete(found[0], asked, ground_truth)


def keep_photo(
    incoming: Incoming,
    *,
    classifier: Classifier,
    files: FileStore,
    limiter: AdmissionLimiter,
    who: Who,
    ground_truth: str = "",
    place: str = "upload",
) -> StoredPhoto:
    """Remember a photo that nobody shall look at yet: bytes, thumbnail, photo and label in one transaction, committed on return.

    `classifier` says which ground truths there are. Bytes that are known already give the photo they belong to, with its prediction if
    it has one, and with `ground_truth` when it had none. Raises like `classify_photo`.
    """
    if ground_truth:
        ground_truth = check_label(ground_truth, classifier.card)
    _check_size(incoming.content)
    sha256 = hashlib.sha256(incoming.content).hexdigest()
    if _known(sha256) is None:
        with limiter.slot():
            decoded = decode_photo(incoming.content, max_side=working_side(classifier.card.input))
            looked = ClassifiedPhoto([], decoded, make_thumbnail(decoded.pixels))
        named = {"who": who, "ground_truth": ground_truth, "place": place, "batch": ""}
        try:
            return _remember_new(incoming, sha256, [classifier], looked, files=files, **named)  # type: ignore[arg-type]
        except IntegrityError:  # the same bytes came in through another door at the same moment
            pass
    if ground_truth:
        with writing():
            found = _found(sha256, duplicate=True).photo
            if found.ground_truth is None:
                _label(found, ground_truth, [classifier], who, place)
    return _found(sha256, duplicate=True)


def classify_upload(
    incoming: list[Incoming],
    *,
    classifier: Classifier,
    others: Sequence[Classifier] = (),
    files: FileStore,
    limiter: AdmissionLimiter,
    who: Who,
    ground_truth: str = "",
    place: str = "upload",
    batch: str = "",
) -> list[StoredPhoto | MarqueError]:
    """Classify several files in order, each for itself: what worked is kept, what failed is its error in the list.

    `batch` names what came together; without it, these files are one when they are several.
    Raises `NoFileError` for an empty list, `PhotoTooLargeError` for more than 50, `UnknownLabelError`: nothing is stored then.
    """
    _check_number(incoming)
    if ground_truth:
        ground_truth = check_label(ground_truth, *(one.card for one in (classifier, *others)))
    batch = batch or (new_batch() if len(incoming) > 1 else "")
    tools = {
        "classifier": classifier,
        "others": others,
        "files": files,
        "limiter": limiter,
        "batch": batch,
    }
    results: list[StoredPhoto | MarqueError] = []
    for one in incoming:
        try:
            done = classify_photo(one, **tools, who=who, ground_truth=ground_truth, place=place)  # type: ignore[arg-type]
        except MarqueError as error:
            results.append(error)
        else:
            results.append(done)
    return results


def ask_models(
    public_id: str,
    *,
    classifiers: Sequence[Classifier],
    files: FileStore,
    limiter: AdmissionLimiter,
) -> None:
    """Let models look at a photo that is here already, and keep what they say. Those whose answer is known are not asked again.

    Raises `PhotoNotFoundError`, `ServerBusyError` or `StorageFullError`.
    """
    photo = get_item(public_id).photo
    missing = _missing(photo, classifiers)
    if not missing:
        return
    answers = _look(stored_content(photo, files), missing, limiter).answers
    with writing():
        photo = get_item(public_id).photo
        unseen = photo.prediction is None
        _keep(photo, missing, answers)
        if unseen and photo.prediction is not None:
            webhook_events.photo_answered(photo, photo.prediction)


def ask_aside(
    photo: Photo, *, classifiers: Sequence[Classifier], files: FileStore, limiter: AdmissionLimiter
) -> None:
    """Let versions look at a photo and keep what they say, without letting it stand for their model: to compare them.

    Raises what `ask_models` raises, and `PhotoRefusedError` when the photo cannot be decoded or was deleted meanwhile.
    """
    answers = _look(stored_content(photo, files), classifiers, limiter).answers
    try:
        with writing():
            for classifier, answer in zip(classifiers, answers, strict=True):
                _add_aside(photo, classifier, answer)
    except IntegrityError as error:
        raise PhotoRefusedError(GONE) from error


def ask_version(
    public_id: str,
    classifier: Classifier,
    *,
    standing: bool,
    files: FileStore,
    limiter: AdmissionLimiter,
) -> bool:
    """Let one version look at a photo that is here already; False when it has looked before and stands as it should.

    What it says stands for its model when `standing`, else it is only remembered. Raises what `ask_models` raises.
    """
    photo = get_item(public_id).photo
    if storage.has_answer(photo, classifier.card.name, classifier.card.version, standing=standing):
        return False
    answers = _look(stored_content(photo, files), [classifier], limiter).answers
    with writing():
        photo = get_item(public_id).photo
        if standing:
            _add_answer(photo, classifier, answers[0])
        else:
            _add_aside(photo, classifier, answers[0])
    return True


def remember_upload(
    incoming: list[Incoming], results: list[StoredPhoto | MarqueError], model: str = ""
) -> str:
    """Keep what became of each file of a form and which `model` was chosen, so that its page can be shown again. Returns its id."""
    upload = Upload(
        public_id=secrets.token_urlsafe(9),
        results=[
            {
                "filename": clean_name(one.filename),
                "photo": result.photo.public_id if isinstance(result, StoredPhoto) else None,
                "duplicate": isinstance(result, StoredPhoto) and result.duplicate,
                "error": None if isinstance(result, StoredPhoto) else str(result),
                "model": model,
            }
            for one, result in zip(incoming, results, strict=True)
        ],
    )
    with writing():
        storage.add_upload(upload)
    return upload.public_id


def clean_name(filename: str) -> str:
    """A user's file name as we keep it: the last part of a path, no control characters, at most 255 characters, never empty.

    It is only ever text in a row: stored bytes are named by their hash.
    """
    text = filename.encode("utf-8", "replace").decode("utf-8").replace("\\", "/").rsplit("/", 1)[-1]
    text = "".join(one for one in text if one.isprintable() or one in JOINERS).strip()
    if len(text) > 255:
        stem, dot, ending = text.rpartition(".")
        text = f"{stem[: 254 - len(ending)]}.{ending}" if dot and len(ending) <= 10 else text[:255]
    return text or "photo"


def _check_number(incoming: list[Incoming]) -> None:
    if not incoming:
        raise NoFileError(
            "No photo came with the form. Choose one or more files, then press the button again."
        )
    if len(incoming) > MAX_FILES:
        raise PhotoTooLargeError(
            f"These are {len(incoming)} files; {MAX_FILES} are the most at a time. Nothing was stored: send them in parts."
        )


def _known(sha256: str) -> Photo | None:
    """The photo that has these bytes, None when there is none. One that was deleted and waits for its end is brought back."""
    if storage.is_deleted(sha256):
        with writing():
            storage.restore(Photo.sha256 == sha256)
    found = storage.find_photo_by_sha256(sha256) if storage.knows_sha256(sha256) else None
    return None if found is None else found[0]


def _is_complete(photo: Photo, asked: Sequence[Classifier], ground_truth: str) -> bool:
    """True when the answers of these models stand there, and a ground truth when one is to be given."""
    return not _missing(photo, asked) and bool(not ground_truth or photo.ground_truth)


def _check_size(content: bytes) -> None:
    """Before hashing and decoding; `decode_photo` has the other caps."""
    if len(content) > MAX_BYTES:
        raise PhotoTooLargeError(
            f"The photo is larger than {MAX_BYTES // 2**20} MB. Nothing was stored: make it smaller and send it again."
        )


def _look(
    content: bytes,
    asked: Sequence[Classifier],
    limiter: AdmissionLimiter,
    *,
    thumbnail: bool = False,
) -> ClassifiedPhoto:
    """Decode and rank inside the limiter, in one turn for all models."""
    with limiter.slot():
        return classify(content, asked, thumbnail=thumbnail)


def _remember_new(
    incoming: Incoming,
    sha256: str,
    asked: Sequence[Classifier],
    looked: ClassifiedPhoto,
    *,
    files: FileStore,
    who: Who,
    ground_truth: str,
    place: str,
    batch: str,
) -> StoredPhoto:
    """Write a new photo with all that belongs to it in one transaction. Raises `IntegrityError` when its bytes are known meanwhile.

    Nobody has looked at it when `looked` has no answers; then `asked` only says whose labels the ground truth may be of.
    """
    decoded = looked.decoded
    token = secrets.token_urlsafe(18)
    photo = Photo(
        public_id=secrets.token_urlsafe(9),
        filename=clean_name(incoming.filename),
        sha256=sha256,
        width=decoded.width,
        height=decoded.height,
        bytes=len(incoming.content),
        format=decoded.format,
        has_metadata=decoded.has_metadata,
        created_at=now(),
        uploader_id=who.user_id,
        delete_hash=hashlib.sha256(token.encode()).hexdigest(),
        source=place,
        batch=batch or None,
        dhash=thumbnail_hash(looked.thumbnail),
    )
    with writing():
        files.put(sha256, incoming.content)
        read = [
            _read_today(*each) for each in zip(asked, looked.answers, strict=bool(looked.answers))
        ]
        storage.add_photo(photo, looked.thumbnail, read[0][0] if read else None)
        for number, (classifier, (prediction, first)) in enumerate(
            zip(asked, read, strict=bool(read))
        ):
            remember_labels(classifier.card)
            storage.add_prediction(photo, prediction, first=True, shown=number == 0)
            _keep_original(prediction, first)
        if read:
            webhook_events.photo_answered(photo, read[0][0])
        if ground_truth:
            _label(photo, ground_truth, asked, who, place)
    if looked.answers and not ground_truth:
        return StoredPhoto(photo, UNLABELLED, duplicate=False, delete_token=token)
    return _found(
        sha256, asked[0].card.name if looked.answers else "", duplicate=False, token=token
    )


def _remember_again(
    sha256: str,
    asked: Sequence[Classifier],
    answers: Sequence[Answer],
    *,
    who: Who,
    ground_truth: str,
    place: str,
) -> StoredPhoto:
    """Add to a known photo what it lacks: predictions of these versions, a ground truth."""
    with writing():
        known = storage.find_photo_by_sha256(sha256)
        if known is None:
            raise PhotoRefusedError(GONE)
        _keep(known[0], asked, answers)
        if ground_truth and known[0].ground_truth is None:
            _label(known[0], ground_truth, asked, who, place)
    return _found(sha256, asked[0].card.name, duplicate=True)


def _label(
    photo: Photo, ground_truth: str, asked: Sequence[Classifier], who: Who, place: str
) -> None:
    record_label(
        photo,
        ground_truth,
        model=model_of(ground_truth, *(one.card for one in asked)),
        who=who,
        place=place,
        told=False,
    )


def _found(sha256: str, model: str = "", *, duplicate: bool, token: str = "") -> StoredPhoto:
    """The stored photo with what `model` said, or the shown prediction. Raises `PhotoRefusedError` when somebody deleted it in this
    moment."""
    found = storage.find_photo_by_sha256(sha256, model)
    if found is None:
        raise PhotoRefusedError(GONE)
    return StoredPhoto(found[0], found[1], duplicate=duplicate, delete_token=token)


def _keep(photo: Photo, asked: Sequence[Classifier], answers: Sequence[Answer]) -> None:
    """Add what is not known yet to a photo, inside the caller's transaction; the label sets go with it."""
    missing = _missing(photo, asked)
    for classifier, answer in zip(asked, answers, strict=True):
        if classifier in missing:
            _add_answer(photo, classifier, answer)


def _missing(photo: Photo, asked: Sequence[Classifier]) -> list[Classifier]:
    """Those whose answer does not stand for their model yet."""
    standing = storage.current_versions(photo)
    return [one for one in asked if standing.get(one.card.name) != one.card.version]


def _add_answer(photo: Photo, classifier: Classifier, answer: Answer) -> None:
    """Let an answer stand for its model, inside the caller's transaction; the label set goes with it."""
    remember_labels(classifier.card)
    prediction, first = _read_today(classifier, answer)
    storage.add_prediction(photo, prediction)
    _keep_original(prediction, first)


def _add_aside(photo: Photo, classifier: Classifier, answer: Answer) -> None:
    """Keep an answer that stands for nothing, inside the caller's transaction; the label set goes with it."""
    remember_labels(classifier.card)
    prediction, first = _read_today(classifier, answer)
    storage.add_aside(photo, prediction)
    _keep_original(prediction, first)


def _as_today(classifier: Classifier, answer: Answer) -> tuple[Answer, Answer | None]:
    """The answer as labels read today; with it the one that the network gave, where that is another."""
    card = today(classifier.card)
    if card is classifier.card:
        return answer, None
    found = make_answer(card, answer.output, answer.elapsed_ms)
    same = found.ranked[:TOP] == answer.ranked[:TOP] and found.decision == answer.decision
    return found, None if same else answer


def _read_today(classifier: Classifier, answer: Answer) -> tuple[Prediction, Answer | None]:
    """The same as a row. Asked inside the transaction that keeps it, lest labels are merged in between."""
    read, first = _as_today(classifier, answer)
    return _prediction(read), first


def _keep_original(prediction: Prediction, first: Answer | None) -> None:
    """Keep what the network said at first, when the prediction was added and reads differently."""
    if first is not None and prediction.id is not None:
        said = {name: getattr(first, name) for name in SAID}
        top = [[line.rank, line.label, line.probability] for line in first.ranked[:TOP]]
        keep_originals([{"prediction_id": prediction.id, **said, "top": top}])


def _prediction(answer: Answer) -> Prediction:
    lines = [(line.rank, line.label, line.probability) for line in answer.ranked[:TOP]]
    return Prediction(
        model=answer.model,
        version=answer.version,
        decision=answer.decision,
        label=answer.label,
        confidence=answer.confidence,
        margin=answer.margin,
        familiarity=answer.output.familiarity,
        elapsed_ms=answer.elapsed_ms,
        distribution=answer.output.probabilities.astype("<f4").tobytes(),
        embedding=answer.output.embedding.astype(np.dtype("<f2")).tobytes(),
        top=storage.top_labels(lines),
    )
