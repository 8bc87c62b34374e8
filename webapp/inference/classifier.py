"""How a photo is classified: decode, predict, rank, decide. No Flask, no database."""

import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webapp.domain import (
    NOTHING_FOUND,
    UNCLASSIFIED,
    WHOLE,
    Answer,
    ClassifiedCar,
    DetectedCar,
    NetworkOutput,
    Parent,
    RankedLabel,
)
from webapp.errors import BrokenPhotoError, ModelUnavailableError
from webapp.inference.cars import choose, crop, side_for
from webapp.inference.decoding.images import (
    MAX_BYTES,
    THUMBNAIL_SIDE,
    DecodedPhoto,
    Picture,
    decode_large,
    decode_photo,
    fit_input,
    make_thumbnail,
    reduce_to,
    sampled_side,
    shrink,
    working_side,
)
from webapp.inference.detector import Detector
from webapp.inference.familiarity import read_familiarity
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import sum_merged, sum_parents

Floats = NDArray[np.float32]
_LEAST_FAMILIARITY = 1e-9  # a photo in which no car was found has 0
# pixels of a photo that cars are cut out of: enough for one that fills 0.4 of its longest side
_LARGE_SIDE = 768
GOLDEN_TOLERANCE = 1e-3  # of a probability: what two machines may differ by


class Classifier(ABC):
    """One version of a model. Safe to share between threads."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.card = card
        self.golden_tolerance = GOLDEN_TOLERANCE
        self._familiarity = read_familiarity(folder, card)

    @cached_property
    def head(self) -> Floats | None:
        """Weights of the last layer, float32 of shape (labels, features); None when that layer
        does not work on the mean of the feature map. Found on first need."""
        grey = np.full((self.card.input.height, self.card.input.width, 3), 127, dtype=np.uint8)
        return find_head(self._constants(), self.predict(grey), self.card)

    def predict(self, picture: Picture) -> NetworkOutput:
        """Run the network on a decoded photo or part of one, of any size."""
        batch = fit_input(picture, self.card.input).astype(np.float32)[np.newaxis]
        probabilities, embedding, feature_map = self._run(batch)
        familiarity = None
        if self._familiarity is not None:
            familiarity = float(self._familiarity.of(embedding[np.newaxis])[0])
        probabilities = scale(probabilities, self.card.temperature)
        return NetworkOutput(probabilities, embedding, feature_map, familiarity)

    @abstractmethod
    def _run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        """Probabilities (labels,), embedding (features,) and feature map (rows, columns, features)
        for float32 RGB in 0..255 of shape (1, height, width, 3), not scaled."""

    @abstractmethod
    def _constants(self) -> list[Floats]:
        """The network's constants with a side of as many numbers as there are labels."""


@dataclass(frozen=True)
class ClassifiedPhoto:
    """The cars, the main one first, each with the answers in the order of the models; the decoded
    photo, and its thumbnail.

    There is at least one car. `thumbnail` is empty when nothing is to be stored. `sha256` is that
    of the bytes, "" where the caller knows it. `detector_version` is the version of the detector
    that looked, None when none did.
    """

    cars: list[ClassifiedCar]
    decoded: DecodedPhoto
    thumbnail: bytes = b""
    sha256: str = ""
    detector_version: int | None = None


def classify(
    content: bytes,
    classifiers: Sequence[Classifier],
    detector: Detector | None = None,
    *,
    cars: Sequence[DetectedCar] = (),
    thumbnail: bool = False,
    top: int | None = None,
) -> ClassifiedPhoto:
    """Decode a photo, find its cars, and let each model answer for each car, with `top` labels (at
    least two) or all.

    `cars` are taken instead of what the detector finds. Without both the whole photo counts as one
    car; where a detector finds none, or has found none before so that the whole photo is the car
    that is given, too, but as one that no model knows. Raises `PhotoRefusedError`.
    """
    cut = bool(cars) or detector is not None
    photos = _Decoder(content, cut=cut)
    sides = [working_side(each.card.input) for each in classifiers] or [THUMBNAIL_SIDE]
    detector_version = None
    if detector is not None and not cars:
        cars = detector.find(photos.at(working_side(detector.card.input)).image)
        detector_version = detector.card.version
    first = photos.at(THUMBNAIL_SIDE if cut else sides[0])
    wanted = [sampled_side(each.card.input) for each in classifiers]
    boxed = [car for car in cars if car.found_by != WHOLE]
    if boxed:
        large = photos.with_side(side_for(boxed, max(wanted, default=1), first)).image
    classified = []
    for car in cars or [DetectedCar()]:
        whole = car.found_by == WHOLE
        if whole:  # each model answers as it would alone
            pictures = [photos.at(side).image for side in sides[: len(classifiers)]]
        else:
            cut_out = crop(large, car.box)
            pictures = [reduce_to(cut_out, side) for side in wanted]
        outputs = [
            _look(classifier, picture, photos.seconds, known=not whole or detector is None)
            for classifier, picture in zip(classifiers, pictures, strict=True)
        ]
        answers = [
            make_answer(classifier.card, *output, top)
            for classifier, output in zip(classifiers, outputs, strict=True)
        ]
        classified.append(ClassifiedCar(car, answers, choose(answers)))
    small = make_thumbnail(first.image) if thumbnail else b""
    return ClassifiedPhoto(classified, first, small, detector_version=detector_version)


class _Decoder:
    """Decodes a photo, as seldom as it can, in the sizes that are wanted, in `seconds` in all.

    `cut`: cars will be cut out of it, so the first decoding has pixels enough for most.
    """

    def __init__(self, content: bytes, *, cut: bool) -> None:
        self.seconds = 0.0
        self._content = content
        self._photos: dict[int, DecodedPhoto] = {}
        self._large: DecodedPhoto | None = None
        if cut:
            self._large = self._timed(lambda: decode_large(content, min_side=_LARGE_SIDE))

    def at(self, side: int) -> DecodedPhoto:
        """The photo with `side` pixels at most on its longest side. Raises `PhotoRefusedError`."""
        if side not in self._photos:
            self._photos[side] = self._timed(lambda: self._decode(side))
        return self._photos[side]

    def with_side(self, side: int) -> DecodedPhoto:
        """The photo with at least `side` pixels on its longest side: as it is decoded already, if
        it has them. Raises `PhotoRefusedError`."""
        if self._large is not None and max(self._large.image.size) >= side:
            return self._large
        return self.at(side)

    def _decode(self, side: int) -> DecodedPhoto:
        if self._large is not None and side <= _LARGE_SIDE:
            return shrink(self._large, side)
        return decode_photo(self._content, max_side=side)

    def _timed(self, decode: Callable[[], DecodedPhoto]) -> DecodedPhoto:
        started = time.perf_counter()
        photo = decode()
        self.seconds += time.perf_counter() - started
        return photo


def _look(
    classifier: Classifier, picture: Picture, seconds: float, *, known: bool
) -> tuple[NetworkOutput, float]:
    """What a network says, and milliseconds with the `seconds` that decoding took; a photo without
    a car (not `known`) is familiar to no model."""
    started = time.perf_counter()
    output = classifier.predict(picture)
    elapsed_ms = (time.perf_counter() - started + seconds) * 1000
    return output if known else replace(output, familiarity=NOTHING_FOUND), elapsed_ms


def read_file(path: Path) -> bytes:
    """A regular file, at most one byte more than a photo may have. Raises `BrokenPhotoError`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BrokenPhotoError("This is not a regular file.")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BrokenPhotoError(f"The file cannot be read: {error.strerror}.") from error


def make_answer(
    card: ModelCard, output: NetworkOutput, elapsed_ms: float, top: int | None = None
) -> Answer:
    """The answer that a network's output gives by a card, with `top` labels or all."""
    ranked = rank_labels(output.probabilities, card, top)
    parent = best_parent(sum_merged(output.probabilities, card), card)
    return Answer(
        model=card.name,
        version=card.version,
        decision=decide(ranked[0], parent, output.familiarity, card),
        confidence=ranked[0].probability,
        margin=ranked[0].probability - ranked[1].probability,
        ranked=ranked,
        output=output,
        elapsed_ms=elapsed_ms,
        parent=parent,
    )


def scale(probabilities: Floats, temperature: float) -> Floats:
    """Temperature-scale softmax outputs of shape (..., labels): softmax(log p / T), float32, sum 1.

    The same as dividing the logits by T (Guo et al. 2017, eq. 9), since log p differs from the
    logits by a constant.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float32)


def rank_labels(
    probabilities: Floats, card: ModelCard, top: int | None = None
) -> tuple[RankedLabel, ...]:
    """The `top` labels or all, merged ones added up, most probable first; equal ones in the card's
    order."""
    labels, sums = list(card.outputs.items()), sum_merged(probabilities, card)
    order = np.argsort(-sums, kind="stable")[:top]
    return tuple(
        RankedLabel(rank, labels[index][0], labels[index][1][0], float(sums[index]))
        for rank, index in enumerate(order, start=1)
    )


def best_parent(sums: Floats, card: ModelCard) -> Parent | None:
    """The most probable of the card's parents by the probabilities `sums` of its outputs, None
    where it has none."""
    if not card.parents:
        return None
    probabilities = sum_parents(sums, card.parents)
    place = int(probabilities.argmax())
    return Parent(list(card.parents)[place], min(1.0, float(probabilities[place])))


def decide(
    first: RankedLabel, parent: Parent | None, familiarity: float | None, card: ModelCard
) -> str:
    """The first label when it is probable enough by the card, else the parent when that is, else
    `UNCLASSIFIED`, as always for a photo that is not familiar."""
    if not is_familiar(familiarity, card):
        return UNCLASSIFIED
    if np.float32(first.probability) >= card.threshold:
        return first.label
    limit = card.parent_threshold
    if parent is not None and limit is not None and np.float32(parent.probability) >= limit:
        return parent.label
    return UNCLASSIFIED


def is_familiar(familiarity: float | None, card: ModelCard) -> bool:
    """Whether a photo looks enough like those the version learned from; True if not measured."""
    least = card.familiarity.get("threshold", 0.0)
    return familiarity is None or familiarity >= max(least, _LEAST_FAMILIARITY)


def self_test(classifier: Classifier, folder: Path) -> float:
    """Classify the card's golden photos again; the largest difference in probability.

    Raises `ModelUnavailableError` when it is over the classifier's `golden_tolerance` or a golden
    photo is missing: this machine would give other answers.
    """
    card, worst = classifier.card, 0.0
    for golden in card.golden:
        try:
            content = (folder / golden.file).read_bytes()
        except OSError as error:
            raise ModelUnavailableError(f"{card}: golden photo {golden.file} is missing") from error
        pixels = decode_photo(content, max_side=working_side(card.input)).pixels
        given = classifier.predict(pixels).probabilities
        wanted = np.asarray(golden.probabilities, dtype=np.float32)
        difference = np.nan_to_num(np.abs(given - wanted), nan=np.inf)
        place = int(np.argmax(difference))
        worst = max(worst, float(difference[place]))
        if worst > classifier.golden_tolerance:
            raise ModelUnavailableError(
                f"{card} gives another answer on this machine: {golden.file} "
                f"is {card.label_names[place]} with {given[place]:.4f}, "
                f"the card says {golden.probabilities[place]:.4f}"
            )
    return worst


def find_head(
    arrays: Iterable[NDArray[np.generic]], output: NetworkOutput, card: ModelCard
) -> Floats | None:
    """The last layer's weights among a network's constants: float32 of shape (labels, features).

    They are recognised by what they do: the embedding must be the mean of the feature map, and the
    weights, with one of the constants as bias, must give the probabilities of `output` from its
    embedding. None if there are none, as class activation maps would mean nothing then.
    """
    labels, features = len(card.labels), len(output.embedding)
    rows = output.feature_map.mean(axis=(0, 1))
    if rows.shape != (features,) or not np.allclose(
        rows, output.embedding, rtol=1e-2, atol=1e-3 * float(np.abs(rows).max() or 1.0)
    ):
        return None
    constants = [array.astype(np.float32) for array in arrays if array.dtype.kind == "f"]
    kernels = [array for array in constants if array.shape == (labels, features)]
    kernels += [array.T for array in constants if array.shape == (features, labels)]
    biases = [array for array in constants if array.shape == (labels,)]
    biases.append(np.zeros(labels, np.float32))
    for kernel in kernels:
        for bias in biases:
            logits = kernel @ output.embedding + bias
            raw = np.exp(logits - logits.max())
            if np.allclose(
                scale(raw / raw.sum(), card.temperature), output.probabilities, atol=2e-3
            ):
                return kernel
    return None
