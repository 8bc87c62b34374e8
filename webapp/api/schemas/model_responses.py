"""The shapes of what the JSON door answers about models: versions, cards, comparisons, stats."""

from typing import Annotated, Any, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from webapp.api.schemas.responses import TOLD, ModelVersion, Moment, Share
from webapp.inference.models.card import RESIZE_RULES

Promotion = TypedDict(
    "Promotion",
    {
        "at": Moment,
        "kind": Annotated[str, Field(json_schema_extra={"enum": ["first", "promote", "rollback"]})],
        "from": int | None,
        "to": int,
        "who": str,
        "why": str,
        "forced": Annotated[
            bool, Field(description="It was done against the comparison, or without one.")
        ],
        "comparison": Annotated[
            dict[str, Any] | None,
            Field(description="The figures that were weighed before; null when there were none."),
        ],
    },
)
"""A change of the live version."""


@with_config(TOLD)
class Model(TypedDict):
    """A model, its versions, and which one is live."""

    name: str
    versions: list[int]
    live: int | None
    """Null while no version serves."""
    title: str | None
    labels: int | None
    """How many labels the live version has."""
    history: NotRequired[list[Promotion]]
    """What was live when, the newest first; with a key of the scope `review`."""


class Models(TypedDict):
    """Every model."""

    items: list[Model]


@with_config(TOLD)
class NamedLabel(TypedDict):
    """What every list of labels tells of one."""

    label: str
    """The name that never changes; predictions and ground truths use it."""
    display: str
    """What people read."""
    color: str
    """`#RRGGBB`, or empty."""
    parent: str
    """A coarser name, or empty."""
    aliases: list[str]
    merged_into: str | None
    """The label that it reads as, since they were merged."""


@with_config(TOLD)
class CardLabel(NamedLabel):
    """A label in the card."""

    class_id: int
    """Its place among the outputs of the network."""


@with_config(TOLD)
class SeenLabel(NamedLabel):
    """A label as people see it."""

    class_id: int | None
    """Its place among the outputs of the network; null for one that a split made, which the version does not know."""
    key: str
    """The key of the keyboard that gives it in a review, or empty."""
    photo: str | None
    """The id of its reference photo."""
    retired: bool
    """True when people who label are not offered it any more."""
    split_from: str | None
    """The label that it was a part of, before that was split."""


class Labels(TypedDict):
    """The labels of a live version, in the order of the network's outputs; those that a split made come last."""

    model: str
    version: int
    items: list[SeenLabel]


class Input(TypedDict):
    """What the network takes, in pixels, and how a photo is made to fit."""

    height: int
    width: int
    resize: Annotated[str, Field(json_schema_extra={"enum": list(RESIZE_RULES)})]


@with_config(TOLD)
class Card(TypedDict):
    """Everything needed to use a version and to know how far to trust it."""

    name: str
    version: int
    live: bool
    title: str
    summary: str
    limits: list[str]
    """What it cannot do, in sentences."""
    labels: list[CardLabel]
    input: Input
    temperature: float
    """Divides the logits before the softmax."""
    threshold: Share
    """Below this confidence the decision is `unclassified`."""
    metrics: dict[str, Any]
    """By the photos they were measured on: `test`, `validation`, `train`, `unknown`, `compiled`."""
    split: dict[str, Any]
    data: list[dict[str, Any]]
    """Where its photos came from, and under which licence."""
    training: dict[str, Any]
    libraries: dict[str, Any]
    files: dict[str, Any]
    """SHA-256 of each file of the version."""
    created_at: str


@with_config(TOLD)
class Standing(TypedDict):
    """How two versions stand on this history."""

    a: int
    """The champion."""
    b: int
    """The challenger."""
    state: Annotated[str, Field(json_schema_extra={"enum": ["few", "waiting", "unknown", "ready"]})]
    """`few`: too few labelled photos. `waiting`: too many of them were not looked at by both. `unknown`: nobody knows what a version
    learned from, so its figures may flatter. `ready`: the verdict counts."""
    photos: int
    """Labelled photos that could be compared on."""
    waiting: int
    """Those that not both have looked at."""
    left_out: int
    """Photos that a version has learned from."""
    unknown: list[int]
    """Versions of which nobody knows what they learned from."""
    comparison: dict[str, Any] | None
    """Counts, McNemar's p-value, verdict and reasons; null when there are too few photos."""


# ---- stats ----


@with_config(TOLD)
class CountedShare(TypedDict):
    """A counted share with its 95 % interval (Wilson)."""

    hits: int
    n: int
    share: Share | None
    """Null when nothing was counted."""
    low: Share
    high: Share


@with_config(TOLD)
class Summary(TypedDict):
    """The headline figures."""

    n: int
    right: CountedShare
    """What was said is right, of all."""
    unsure: CountedShare
    """Nothing was said although there is an answer, of all."""
    wrong: CountedShare
    """Another label was named, of all."""
    named: CountedShare
    """Names that are right."""
    first: CountedShare
    """The truth is the first guess."""
    five: CountedShare
    """The truth is among the first five."""
    none: CountedShare
    """Photos of none of the labels that got no name."""
    macro_f1: Share | None


@with_config(TOLD)
class LabelFigures(TypedDict):
    """How good a version is on one label."""

    label: str
    found: CountedShare
    """Recall."""
    trust: CountedShare
    """Precision."""
    f1: Share | None
    more_needed: int
    """Photos to check until the interval of `found` is within 5 points."""


class MixUp(TypedDict):
    """How often one label was taken for another."""

    ground_truth: str
    decision: str
    n: int


Reliability = TypedDict(
    "Reliability", {"from": Share, "to": Share, "confidence": Share, "right": CountedShare}
)
"""Of answers this sure, how many are right."""


class AtThreshold(TypedDict):
    """What another threshold would do."""

    threshold: Share
    right: CountedShare
    unclassified: CountedShare


class MonthFigures(TypedDict):
    """The photos of one month."""

    month: Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}$")]
    right: CountedShare


class VersionFigures(TypedDict):
    """One version beside the others."""

    version: int
    checked: CountedShare
    audited: CountedShare


@with_config(TOLD)
class LearntPhotos(TypedDict):
    """The checked photos that the version has learnt from."""

    known: bool
    """False when the version carries no list of them."""
    photos: int | None
    counted: bool
    """True when they are in these figures."""


@with_config(TOLD)
class Statistics(TypedDict):
    """How good a version is on checked photos. The lists are about everything that was checked."""

    model: ModelVersion
    learnt: LearntPhotos
    checked: Summary
    """All checked photos: people check the doubtful ones first."""
    audited: Summary
    """Photos that were drawn at random: only these shares hold for all photos."""
    labels: list[LabelFigures]
    """The worst first."""
    mix_ups: list[MixUp]
    reliability: list[Reliability]
    thresholds: list[AtThreshold]
    months: list[MonthFigures]
    versions: list[VersionFigures]
