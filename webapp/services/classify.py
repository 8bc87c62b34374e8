"""A photo comes in, is ranked, is remembered."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

import numpy as np
from sqlalchemy.exc import IntegrityError

from webapp.errors import MarqueError, NoFileError, PhotoRefusedError, PhotoTooLargeError
from webapp.inference.card import ModelCard
from webapp.inference.classifier import Classifier, decide, ranked
from webapp.inference.images import MAX_BYTES, decode_photo, make_thumbnail, working_side
from webapp.inference.turnstile import Turnstile
from webapp.services.relabel import check_label, record_label
from webapp.storage import photos as storage
from webapp.storage.database import writing
from webapp.storage.files import FileStore
from webapp.storage.tables import Photo, Prediction, Upload, now
from webapp.values import UNLABELLED, Answer, DecodedPhoto, Who

__all__ = [
    "MAX_BYTES",
    "MAX_FILES",
    "Classified",
    "Incoming",
    "answer_photo",
    "answer_photos",
    "classify_photo",
    "classify_upload",
    "clean_name",
    "remember_upload",
]

TOP = 5
MAX_FILES = 50
JOINERS = "\u200c\u200d"
"""Invisible characters that some scripts and emoji need between two others; all other invisible ones are dropped from names."""


@dataclass(frozen=True)
class Classified:
    """A remembered photo. `duplicate` tells that its bytes were known already; `delete_token` is "" then, and never kept in clear."""

    photo: Photo
    outcome: str
    duplicate: bool
    delete_token: str = ""


@dataclass(frozen=True)
class Incoming:
    """One file of an upload: its bytes, and the name its sender gave it."""

    filename: str
    content: bytes


Looked = tuple[Answer, DecodedPhoto, bytes]


def answer_photo(incoming: Incoming, *, classifier: Classifier, turnstile: Turnstile) -> Answer:
    """What the model says about a photo; nothing is stored. Raises `PhotoRefusedError` or `ServerBusyError`."""
    _check_size(incoming.content)
    return _look(incoming.content, classifier, turnstile)[0]


def answer_photos(incoming: list[Incoming], *, classifier: Classifier, turnstile: Turnstile) -> list[Answer | MarqueError]:
    """`answer_photo` for several files in order, each for itself: what failed is its error in the list."""
    _check_number(incoming)
    answers: list[Answer | MarqueError] = []
    for one in incoming:
        try:
            answers.append(answer_photo(one, classifier=classifier, turnstile=turnstile))
        except MarqueError as error:
            answers.append(error)
    return answers


def classify_photo(
    incoming: Incoming,
    *,
    classifier: Classifier,
    files: FileStore,
    turnstile: Turnstile,
    who: Who,
    ground_truth: str = "",
    place: str = "upload",
) -> Classified:
    """Rank a photo and remember it: bytes, thumbnail, photo, prediction and label in one transaction, committed on return.

    Bytes that are known already are not stored twice: the photo they belong to comes back, with a prediction of this model
    version added when it had none, and with `ground_truth` when it had none. Raises `PhotoRefusedError`, `UnknownLabelError`,
    `ServerBusyError` or `StorageFullError`; nothing was stored then.
    """
    if ground_truth:
        check_label(ground_truth, classifier.card)
    _check_size(incoming.content)
    sha256 = hashlib.sha256(incoming.content).hexdigest()
    known = storage.find_photo_by_sha256(sha256) if storage.knows_sha256(sha256) else None
    if known is not None and _has_answer(known[0], classifier.card) and (not ground_truth or known[0].ground_truth):
        return Classified(known[0], known[1], duplicate=True)
    looked = _look(incoming.content, classifier, turnstile)
    if known is None:
        try:
            return _remember_new(incoming, sha256, looked, files=files, who=who, ground_truth=ground_truth, place=place)
        except IntegrityError:  # the same bytes came in through another door at the same moment
            pass
    return _remember_again(sha256, looked[0], who=who, ground_truth=ground_truth, place=place)


def classify_upload(
    incoming: list[Incoming],
    *,
    classifier: Classifier,
    files: FileStore,
    turnstile: Turnstile,
    who: Who,
    ground_truth: str = "",
    place: str = "upload",
) -> list[Classified | MarqueError]:
    """Classify several files in order, each for itself: what worked is kept, what failed is its error in the list.

    Raises `NoFileError` for an empty list, `PhotoTooLargeError` for more than 50, `UnknownLabelError`: nothing is stored then.
    """
    _check_number(incoming)
    if ground_truth:
        check_label(ground_truth, classifier.card)
    results: list[Classified | MarqueError] = []
    for one in incoming:
        try:
            done = classify_photo(
                one, classifier=classifier, files=files, turnstile=turnstile, who=who, ground_truth=ground_truth, place=place
            )
        except MarqueError as error:
            results.append(error)
        else:
            results.append(done)
    return results


def remember_upload(incoming: list[Incoming], results: list[Classified | MarqueError]) -> str:
    """Keep what became of each file of a form, so that its page can be shown again. Returns the upload's public id."""
    upload = Upload(
        public_id=secrets.token_urlsafe(9),
        results=[
            {
                "filename": clean_name(one.filename),
                "photo": result.photo.public_id if isinstance(result, Classified) else None,
                "duplicate": isinstance(result, Classified) and result.duplicate,
                "error": None if isinstance(result, Classified) else str(result),
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
        raise NoFileError("No photo came with the form. Choose one or more files, then press the button again.")
    if len(incoming) > MAX_FILES:
        raise PhotoTooLargeError(
            f"These are {len(incoming)} files; {MAX_FILES} are the most at a time. Nothing was stored: send them in parts."
        )


def _check_size(content: bytes) -> None:
    """Before hashing and decoding; `decode_photo` has the other caps."""
    if len(content) > MAX_BYTES:
        raise PhotoTooLargeError(
            f"The photo is larger than {MAX_BYTES // 2**20} MB. Nothing was stored: make it smaller and send it again."
        )


def _look(content: bytes, classifier: Classifier, turnstile: Turnstile) -> Looked:
    """Decode and rank inside the turnstile: the answer, the decoded photo and its thumbnail.

    The answer's `elapsed_ms` counts the work, not the wait in the line.
    """
    with turnstile.turn():
        started = time.perf_counter()
        decoded = decode_photo(content, max_side=working_side(classifier.card.input))
        reading = classifier.rank(decoded.pixels)
        elapsed = (time.perf_counter() - started) * 1000
        thumbnail = make_thumbnail(decoded.pixels)
    card = classifier.card
    order = ranked(reading.probabilities, card)
    answer = Answer(
        model=card.name,
        version=card.version,
        decision=decide(reading.probabilities, card),
        confidence=order[0].probability,
        margin=order[0].probability - order[1].probability,
        ranked=order,
        reading=reading,
        elapsed_ms=elapsed,
    )
    return answer, decoded, thumbnail


def _remember_new(
    incoming: Incoming, sha256: str, looked: Looked, *, files: FileStore, who: Who, ground_truth: str, place: str
) -> Classified:
    """Write a new photo with all that belongs to it in one transaction. Raises `IntegrityError` when its bytes are known meanwhile."""
    answer, decoded, thumbnail = looked
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
    )
    with writing():
        files.put(sha256, incoming.content)
        storage.add_photo(photo, thumbnail)
        storage.add_prediction(photo, _prediction(answer), first=True)
        if ground_truth:
            record_label(photo, ground_truth, who=who, place=place)
    if not ground_truth:
        return Classified(photo, UNLABELLED, duplicate=False, delete_token=token)
    return _found(sha256, duplicate=False, token=token)


def _remember_again(sha256: str, answer: Answer, *, who: Who, ground_truth: str, place: str) -> Classified:
    """Add to a known photo what it lacks: the prediction of this version, a ground truth."""
    with writing():
        photo = _found(sha256, duplicate=True).photo
        if not _has_answer(photo, answer):
            storage.add_prediction(photo, _prediction(answer))
        if ground_truth and photo.ground_truth is None:
            record_label(photo, ground_truth, who=who, place=place)
    return _found(sha256, duplicate=True)


def _found(sha256: str, *, duplicate: bool, token: str = "") -> Classified:
    """The stored photo. Raises `PhotoRefusedError` when somebody deleted it in this moment."""
    found = storage.find_photo_by_sha256(sha256)
    if found is None:
        raise PhotoRefusedError("The photo was deleted while it came in. Nothing is stored: send it again.")
    return Classified(found[0], found[1], duplicate=duplicate, delete_token=token)


def _has_answer(photo: Photo, wanted: ModelCard | Answer) -> bool:
    """True when the version already looked at the photo and is the one shown."""
    name = wanted.name if isinstance(wanted, ModelCard) else wanted.model
    shown = photo.prediction
    return shown is not None and (shown.model, shown.version) == (name, wanted.version)


def _prediction(answer: Answer) -> Prediction:
    lines = [(line.rank, line.label, line.probability) for line in answer.ranked[:TOP]]
    return Prediction(
        model=answer.model,
        version=answer.version,
        decision=answer.decision,
        label=answer.label,
        confidence=answer.confidence,
        margin=answer.margin,
        elapsed_ms=answer.elapsed_ms,
        distribution=answer.reading.probabilities.astype("<f4").tobytes(),
        embedding=answer.reading.embedding.astype(np.dtype("<f2")).tobytes(),
        top=storage.top_labels(lines),
    )
