"""Frozen values that travel between the rooms. They import nothing of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNCLASSIFIED = "unclassified"
"""The decision when the model is not sure enough to name a label."""

NONE_OF_THESE = "none"
"""Ground truth verdict: the photo shows none of the model's labels."""

UNUSABLE = "unusable"
"""Ground truth verdict: nobody could tell from this photo (too dark, cut off, several cars)."""

VERDICTS = (NONE_OF_THESE, UNUSABLE)
"""Ground truths that every label set has besides its own labels. No label may carry these names."""


ALL_MODELS = "all"
"""Instead of a model's name: every live model looks at the photo. No model may carry this name."""


PHOTO_ENDINGS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".mpo",
    }
)
"""What the names of photos end with, in folders where other files lie as well. What a file is, its content says."""


@dataclass(frozen=True)
class RankedLabel:
    """One line of a ranked prediction. `rank` starts at 1; `class_id` is the index in the card's label order;
    `probability` is temperature-scaled, in [0, 1]."""

    rank: int
    label: str
    class_id: int
    probability: float


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo after `decode_photo`.

    `pixels` is uint8 RGB, shape (height, width, 3), upright, at most `max_side` on its longest side. `width` and `height` are
    those of the whole upright photo in pixels, `format` is Pillow's name of the container ("JPEG", "PNG", …), and
    `has_metadata` tells whether the file carries EXIF, XMP, IPTC or comments that must not be served to strangers.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    has_metadata: bool


@dataclass(frozen=True)
class NetworkOutput:
    """What a network said about one photo, before any decision.

    `probabilities` is float32 of shape (labels,), temperature-scaled, sums to 1, in the card's label order. `embedding` is float32
    of shape (features,): the pooled features. `feature_map` is float32 of shape (rows, columns, features): the last
    convolution, whose mean over rows and columns is the embedding. `familiarity` in [0, 1] tells how like the photos it learned from
    the photo looks; None when the version has no measure for that.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    feature_map: NDArray[np.float32]
    familiarity: float | None = None


@dataclass(frozen=True)
class Answer:
    """What one model version said about one photo, decided.

    `decision` is a label or `UNCLASSIFIED`. `confidence` is the first probability, `margin` the first minus the second, both in
    [0, 1]. `ranked` holds every label, best first. `elapsed_ms` is the time of decode and network together, in milliseconds.
    """

    model: str
    version: int
    decision: str
    confidence: float
    margin: float
    ranked: tuple[RankedLabel, ...]
    output: NetworkOutput
    elapsed_ms: float

    @property
    def label(self) -> str:
        """The first label, named even when the decision is `UNCLASSIFIED`."""
        return self.ranked[0].label


UNLABELLED = "unlabelled"
"""The outcome of a photo that nobody has checked, or whose ground truth says nothing about the model that answered."""

OUTCOMES = ("correct", "wrong", UNLABELLED, "unclassified", "unusable")
"""What the shown prediction turned out to be: see `webapp.storage.photos.photos.outcome`."""

MERGE, UNDO = "merge", "undo"  # places of label events: a merge of labels, something taken back
AUDIT = "audit"
"""The place of label events about photos that were drawn at random: only these tell how good a model is on all photos."""

SORTS = ("newest", "oldest", "least-sure", "smallest-margin", "most-wrong")
"""Orders of the gallery. The last three know only photos that were answered; `most-wrong` only wrong answers, the surest first."""

VISITORS = "-"
"""Instead of a person's name: photos that came without a login. No user may carry this name."""

YES, NO = "yes", "no"

KNOWN, FIRST_GUESS, AMONG_FIVE = "label", "first", "five"
"""Instead of `YES`, of checked photos: those that have a label, those whose first guess was right, those whose label is among the first
five."""


@dataclass(frozen=True)
class LogFilter:
    """Which label events. An empty string, None or False leaves a filter off.

    `place` is where it was done. `since` (included) and `until` (not included) are moments with a zone. `disputed`: only of photos that
    people disagree about.
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
    """The person behind a change: `user_id` None for a visitor or the terminal, `name` as the log shows it."""

    name: str
    user_id: int | None = None


# ---- jobs ----

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
)
JOB_STATES = (QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED)
"""What a job can be. The first two are on the way to one of the last three."""

PLAN, DO, FINISH = "plan", "do", "finish"
"""What a part of a job is for."""

SHORT, LONG = "short", "long"
QUEUES = (SHORT, LONG)
"""Two queues, so that a job of hours does not keep those of seconds waiting."""


@dataclass(frozen=True)
class JobFilter:
    """Which jobs. An empty string leaves a filter off; `owner` None means everybody's; types in
    `without` are left out unless asked for."""

    state: str = ""
    type: str = ""
    owner: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` things are through (0: nobody knows yet), `failed` of them in vain; `running` parts are being
    worked on, `parts` of `all_parts` are through."""

    done: int = 0
    total: int = 0
    failed: int = 0
    running: int = 0
    parts: int = 0
    all_parts: int = 0


@dataclass(frozen=True)
class Rendition:
    """A picture as it is served. What it is, is known before its bytes are read or made, which happens with each look at `content`.

    `tag` names the bytes: equal tags, equal bytes. `size` is in bytes, None where only making it tells; `modified` is when the picture
    came to be, None where that says nothing about its bytes.
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

UNSURE, RELABELLED, PROMOTED, TESTED = (
    "photo.low_confidence",
    "photo.relabelled",
    "model.promoted",
    "test",
)
"""What webhooks are told of."""
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given up"
"""How the telling stands."""
