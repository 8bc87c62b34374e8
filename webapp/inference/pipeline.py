"""One look at a photo: decode it, let models rank it, and make what storing it needs. No Flask, no database."""

import hashlib
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from webapp.domain import Answer, DecodedPhoto, NetworkOutput
from webapp.errors import BrokenPhotoError
from webapp.inference.classifier import Classifier, decide, rank_labels
from webapp.inference.decoding.images import MAX_BYTES, decode_photo, make_thumbnail, working_side
from webapp.inference.models.card import ModelCard


@dataclass(frozen=True)
class ClassifiedPhoto:
    """What came of looking at a photo: the answers in the order of the models, the decoded photo, its thumbnail.

    `thumbnail` is empty when nothing is to be stored. `sha256` is that of the bytes; "" where the caller knows it.
    """

    answers: list[Answer]
    decoded: DecodedPhoto
    thumbnail: bytes = b""
    sha256: str = ""


def classify(
    content: bytes, asked: Sequence[Classifier], *, thumbnail: bool, top: int | None = None
) -> ClassifiedPhoto:
    """Decode and rank. The answers name `top` labels (at least two), or all. Raises `PhotoRefusedError`.

    A photo is decoded once for each size that the models need, so that each gives the answer that it would give alone.
    """
    decoded: dict[int, tuple[DecodedPhoto, float]] = {}
    answers = []
    for classifier in asked:
        side = working_side(classifier.card.input)
        if side not in decoded:
            started = time.perf_counter()
            photo = decode_photo(content, max_side=side)
            decoded[side] = photo, time.perf_counter() - started
        answers.append(_answer(classifier, *decoded[side], top))
    first = decoded[working_side(asked[0].card.input)][0]
    return ClassifiedPhoto(answers, first, make_thumbnail(first.pixels) if thumbnail else b"")


def read_file(path: Path) -> bytes:
    """The bytes of a regular file, never more than one over what one photo may have. Raises `BrokenPhotoError` for anything else."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BrokenPhotoError("This is not a regular file.")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BrokenPhotoError(f"The file cannot be read: {error.strerror}.") from error


def classify_file(
    path: Path, asked: Sequence[Classifier], *, store: bool, top: int | None
) -> ClassifiedPhoto:
    """`classify` a file, as small as it can travel to another process: without pixels and feature maps.

    To `store` it, distributions, embeddings, thumbnail and SHA-256 come along; else probabilities, for labels may read
    differently today.
    """
    content = read_file(path)
    looked = classify(content, asked, thumbnail=store, top=top)
    answers = [replace(one, output=_small(one.output, store)) for one in looked.answers]
    decoded = replace(looked.decoded, pixels=_NO_PIXELS)
    return replace(
        looked,
        answers=answers,
        decoded=decoded,
        sha256=hashlib.sha256(content).hexdigest() if store else "",
    )


_NO_PIXELS = np.empty((0, 0, 3), dtype=np.uint8)
_NOTHING = np.empty(0, dtype=np.float32)


def _small(output: NetworkOutput, store: bool) -> NetworkOutput:
    if store:
        return replace(output, feature_map=_NOTHING)
    return replace(output, embedding=_NOTHING, feature_map=_NOTHING)


def _answer(
    classifier: Classifier, decoded: DecodedPhoto, seconds: float, top: int | None
) -> Answer:
    """What one model says. `elapsed_ms` counts the work, decoding (`seconds`) and ranking, not the wait in the line."""
    started = time.perf_counter()
    output = classifier.predict(decoded.pixels)
    elapsed = (time.perf_counter() - started + seconds) * 1000
    return make_answer(classifier.card, output, elapsed, top)


def make_answer(
    card: ModelCard, output: NetworkOutput, elapsed_ms: float, top: int | None = None
) -> Answer:
    """What a output says by a card: `top` labels (at least two), or all, and the decision."""
    order = rank_labels(output.probabilities, card, top)
    return Answer(
        model=card.name,
        version=card.version,
        decision=decide(output, card),
        confidence=order[0].probability,
        margin=order[0].probability - order[1].probability,
        ranked=order,
        output=output,
        elapsed_ms=elapsed_ms,
    )
