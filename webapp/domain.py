"""Frozen values and words that travel between layers. Imports nothing of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNCLASSIFIED = "unclassified"  # the decision when the model is not sure enough to name a label
NOTHING_FOUND = 0.0  # the familiarity of a whole photo in which the detector found no car

# verdicts: ground truths besides the labels of a model; no label may carry these names
NONE_OF_THESE = "none"  # the car has none of the model's labels
UNUSABLE = "unusable"  # nobody could tell from this photo: too dark, cut off, several cars
NO_CAR = "no-car"  # there is no car in this box
ANY_CAR = "car"  # in exports, the class of a car of which nobody said more
VERDICTS = (NONE_OF_THESE, UNUSABLE, NO_CAR)

ALL_MODELS = "all"  # instead of a model's name: every live model; no model may carry this name

BANDS, BAND_BITS = 5, 13  # of a perceptual hash

# how the names of photos end, in folders with other files; what a file is, its content says
_ENDINGS = "jpg jpeg jfif png webp gif bmp tif tiff avif heic heif mpo"
PHOTO_ENDINGS = frozenset(f".{ending}" for ending in _ENDINGS.split())


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 photo", "1,312 photos"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def hash_bands(phash: int) -> list[int]:
    """A signed hash of 64 bits in five bands: four of 13 bits from the lowest on, and the 12 that
    remain."""
    bits = phash & (2**64 - 1)
    return [bits >> BAND_BITS * band & 2**BAND_BITS - 1 for band in range(BANDS)]


@dataclass(frozen=True)
class RankedLabel:
    """One label of a ranked prediction.

    `rank` starts at 1, `class_id` is the index in the card's label order, `probability` is
    temperature-scaled, in [0, 1].
    """

    rank: int
    label: str
    class_id: int
    probability: float


@dataclass(frozen=True)
class Parent:
    """A parent of labels, such as a make, with the sum of their probabilities, in [0, 1]."""

    label: str
    probability: float


@dataclass(frozen=True)
class NetworkOutput:
    """What a network said about one photo, before any decision.

    `probabilities` is float32 of shape (labels,), temperature-scaled, sums to 1, in the card's
    label order. `embedding` is float32 of shape (features,): the pooled features. `feature_map` is
    float32 of shape (rows, columns, features): the last convolution, whose mean over rows and
    columns is the embedding. `familiarity` in [0, 1]: how like the training photos the photo looks;
    None when the version does not measure it.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    feature_map: NDArray[np.float32]
    familiarity: float | None = None


@dataclass(frozen=True)
class Answer:
    """What one model version said about one photo, decided.

    `decision` is a label, the name of `parent`, or `UNCLASSIFIED`. `confidence` is the first
    probability, `margin` the first minus the second, both in [0, 1]. `ranked` holds every label,
    best first; `parent` is the most probable parent of several labels, None where labels have none.
    `elapsed_ms` is the time of decode and network together, in milliseconds.
    """

    model: str
    version: int
    decision: str
    confidence: float
    margin: float
    ranked: tuple[RankedLabel, ...]
    output: NetworkOutput
    elapsed_ms: float
    parent: Parent | None = None

    @property
    def label(self) -> str:
        """The first label, named even when the decision is `UNCLASSIFIED`."""
        return self.ranked[0].label


# what a decision names
LABEL, PARENT, NONE = LEVELS = ("label", "parent", "none")


def level_of(decision: str, label: str) -> str:
    """What the decision of an answer with this first label names: one of `LEVELS`."""
    if decision == UNCLASSIFIED:
        return NONE
    return LABEL if decision == label else PARENT


Box = tuple[float, float, float, float]  # x, y, width, height in 0..1 of the upright photo
WHOLE_PHOTO: Box = (0.0, 0.0, 1.0, 1.0)

# who found a car; whole: nobody looked or nothing was found, and the whole photo counts as one
FoundBy = Literal["detector", "person", "whole"]
DETECTOR: FoundBy = "detector"
PERSON: FoundBy = "person"
WHOLE: FoundBy = "whole"


@dataclass(frozen=True)
class DetectedCar:
    """Where a car is in a photo, and who found it. `score` in [0, 1] is the detector's, else
    None."""

    box: Box = WHOLE_PHOTO
    score: float | None = None
    found_by: FoundBy = WHOLE


@dataclass(frozen=True)
class ClassifiedCar:
    """A car with what each model that was asked said about it.

    `chosen` is the place in `answers` of the one that is shown, None without answers.
    """

    car: DetectedCar
    answers: list[Answer]
    chosen: int | None

    @property
    def answer(self) -> Answer | None:
        """The answer that is shown, None without answers."""
        return None if self.chosen is None else self.answers[self.chosen]


# outcomes of a car: what its shown prediction turned out to be; unlabelled: nobody has checked
# it, or its ground truth says nothing about the model that answered
UNLABELLED = "unlabelled"
OUTCOMES = ("correct", "wrong", UNLABELLED, "unclassified", UNUSABLE, NO_CAR)

# places of label events: a merge of labels, an undo, a photo drawn at random
MERGE, UNDO, AUDIT = "merge", "undo", "audit"

VISITORS = "-"  # instead of a person's name: sent without a login; no user may carry this name
YES, NO = "yes", "no"

# narrower than YES, of checked photos: with a label, first guess right, label among the first five
KNOWN, FIRST_GUESS, AMONG_FIVE = "label", "first", "five"


@dataclass(frozen=True)
class LogFilter:
    """Which label events. An empty string, None or False leaves a filter off.

    `place` is where it was done. `since` (included) and `until` (not included) are moments with a
    zone. `disputed`: only of photos that people disagree about.
    """

    who: str = ""
    from_label: str = ""
    to_label: str = ""
    place: str = ""
    batch: str = ""
    since: datetime | None = None
    until: datetime | None = None
    disputed: bool = False


@dataclass(frozen=True)
class Who:
    """The person behind a change, by the name in the log; `user_id` None: a visitor, the
    terminal."""

    name: str
    user_id: int | None = None


# ---- jobs ----

# the first two are on the way to one of the last three
JOB_STATES = ("queued", "running", "succeeded", "failed", "cancelled")
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = JOB_STATES

PLAN, DO, FINISH = "plan", "do", "finish"  # what a part of a job is for

# two queues, so that a job of hours does not keep those of seconds waiting
SHORT, LONG = QUEUES = ("short", "long")


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` items (0: not known yet), `failed` of them in vain."""

    done: int = 0
    total: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Rendition:
    """A picture as it is served; its bytes are read or made with each access to `content`.

    `tag` names the bytes: equal tags, equal bytes. `size` is in bytes, None where only making it
    tells; `modified` is when the picture came to be, None where that says nothing about its bytes.
    """

    content_type: str
    tag: str
    make: Callable[[], bytes]
    size: int | None = None
    modified: datetime | None = None

    @property
    def content(self) -> bytes:
        """The bytes, read or made now. Raises what output or making them raises."""
        return self.make()


def make_tag(*parts: object) -> str:
    """A name for what is made of these parts and nothing else: 32 hexadecimal digits."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def moment(when: datetime) -> str:
    """ISO 8601 in UTC with a Z, as in all JSON."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ready_rendition(
    content: bytes, content_type: str, modified: datetime | None = None
) -> Rendition:
    """A picture whose bytes are here already."""
    return Rendition(
        content_type,
        hashlib.sha256(content).hexdigest()[:32],
        lambda: content,
        len(content),
        modified,
    )


# ---- webhooks ----

# events
UNSURE, RELABELLED = "photo.low_confidence", "photo.relabelled"
BOXED = "photo.boxes_changed"
PROMOTED, TESTED = "model.promoted", "test"
# states of a delivery
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given up"
