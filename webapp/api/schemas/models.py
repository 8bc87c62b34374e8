"""Models: versions, cards, labels, comparisons, promotions."""

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from webapp.api.schemas.base import (
    WHOLE,
    ApiRequest,
    JsonShape,
    Moment,
    Share,
    VersionNumber,
    Why,
    enum,
    example,
)
from webapp.domain import moment
from webapp.errors import BadCardError, ModelNotFoundError
from webapp.inference.models.card import RESIZE_RULES, ModelCard
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.label_set import CurrentLabel, all_labels, as_current
from webapp.inference.models.registry import Registry
from webapp.services.models.compare import HistoryComparison
from webapp.services.models.promotion import Promotion

# ---- requests ----


class CompareQuery(ApiRequest):
    """Which two versions."""

    a: VersionNumber
    """The champion."""
    b: VersionNumber
    """The challenger."""


class RollbackBody(ApiRequest):
    """Why the version goes back."""

    model_config = example(why="it takes every red car for a Ferrari")

    why: Why = ""


class PromoteBody(RollbackBody):
    """Which version takes over."""

    model_config = example(version=2, why="better on the photos of this month")

    version: Annotated[VersionNumber, WHOLE]
    force: bool = False
    """Also when the comparison says that it is no better; needs a reason."""


# ---- answers ----

PromotionJson = TypedDict(
    "PromotionJson",
    {
        "at": Moment,
        "kind": Annotated[str, enum("first", "promote", "rollback")],
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


class ModelJson(JsonShape):
    """A model, its versions, and which one is live."""

    name: str
    versions: list[int]
    live: int | None
    """Null while no version serves."""
    title: str | None
    labels: int | None
    """How many labels the live version has; null for a detector."""
    history: NotRequired[list[PromotionJson]]
    """What was live when, the newest first; with a key of the scope `review`."""


class ModelsJson(JsonShape):
    """Every model."""

    items: list[ModelJson]


class _NamedLabelJson(JsonShape):
    label: str
    """The name that never changes; predictions and ground truths use it."""
    display: str
    """The name that people read."""
    color: str
    """`#RRGGBB`, or empty."""
    parent: str
    """A coarser name, or empty."""
    aliases: list[str]
    merged_into: str | None
    """The label that it was merged into."""


class _CardLabelJson(_NamedLabelJson):
    """A label in the card."""

    class_id: int
    """Its place among the outputs of the network."""


class _LabelJson(_NamedLabelJson):
    """A label as people see it."""

    class_id: int | None
    """Its place among the outputs of the network; null for a label that a split made, which the
    version does not know."""
    key: str
    """The key of the keyboard that gives it in a review, or empty."""
    photo: str | None
    """The id of its reference photo."""
    retired: bool
    """True when people who label are not offered it any more."""
    split_from: str | None
    """The label that it was a part of, before that was split."""


class LabelsJson(JsonShape):
    """The labels of a live version, in the order of the network's outputs; those that a split made
    come last."""

    model: str
    version: int
    items: list[_LabelJson]


class _InputJson(JsonShape):
    """What the network takes, in pixels, and how a photo is resized to it."""

    height: int
    width: int
    resize: Annotated[str, enum(*RESIZE_RULES)]


class DetectorCardJson(JsonShape):
    """Everything needed to use a version of a detector and to know how far to trust it."""

    name: str
    version: int
    live: bool
    title: str
    summary: str
    limits: list[str]
    """What it cannot do, in sentences."""
    input: _InputJson
    threshold: Share
    """Below this confidence the decision is no label: a parent, or `unclassified`. Of a detector:
    below this score a box does not count."""
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


class CardJson(DetectorCardJson):
    """The same of a version that names cars."""

    labels: list[_CardLabelJson]
    temperature: float
    """Divides the logits before the softmax."""
    parent_threshold: Share | None
    """Below this sum of its labels' probabilities a parent is not the decision either; null for a
    version that names no parents."""


class ComparisonJson(JsonShape):
    """Two versions on the labelled photos of this history."""

    a: int
    """The champion."""
    b: int
    """The challenger."""
    state: Annotated[str, enum("few", "waiting", "unknown", "ready")]
    """`few`: too few labelled photos. `waiting`: too many of them were not classified by both.
    `unknown`: nobody knows what a version was trained on, so its figures may flatter. `ready`: the
    verdict counts."""
    photos: int
    """Labelled photos that could be compared on."""
    waiting: int
    """Those that not both have classified."""
    left_out: int
    """Photos that a version was trained on."""
    unknown: list[int]
    """Versions of which nobody knows what they were trained on."""
    comparison: dict[str, Any] | None
    """Counts, McNemar's p-value, verdict and reasons; null when there are too few photos."""


# ---- presenters ----


def model_json(
    name: str, registry: Registry, history: Sequence[Promotion] | None = None
) -> ModelJson:
    """A model; with the history of its live version for those who may know it."""
    try:
        card = registry.any_card(name, None)
    except (ModelNotFoundError, BadCardError):
        card = None
    shown: ModelJson = {
        "name": name,
        "versions": registry.versions(name),
        "live": registry.live_version(name),
        "title": card.title if card else None,
        "labels": len(card.labels) if isinstance(card, ModelCard) else None,
    }
    if history is not None:
        shown["history"] = [promotion_json(row) for row in history]
    return shown


def promotion_json(row: Promotion) -> PromotionJson:
    """A change of the live version."""
    return {
        "at": moment(row.created_at),
        "kind": row.kind,
        "from": row.from_version,
        "to": row.to_version,
        "who": row.who,
        "why": row.why,
        "forced": row.forced,
        "comparison": row.figures,
    }


def comparison_json(result: HistoryComparison) -> ComparisonJson:
    """Two versions on the labelled photos of this history."""
    return {
        "a": result.champion.version,
        "b": result.challenger.version,
        "state": result.state,
        "photos": result.photos,
        "waiting": result.waiting,
        "left_out": result.trained_on,
        "unknown": list(result.unknown),
        "comparison": result.comparison.to_json() if result.comparison else None,
    }


def labels_json(card: ModelCard) -> LabelsJson:
    """The labels of a card; those made by a split at the end, without a `class_id`."""
    class_ids = {name: class_id for class_id, name in enumerate(card.label_names)}
    items: list[_LabelJson] = [
        {
            **_named_label_json(label),
            "class_id": class_ids.get(label.name),
            "key": label.key,
            "photo": label.photo or None,
            "retired": label.retired,
            "split_from": label.split or None,
        }
        for label in all_labels(card)
    ]
    return {"model": card.name, "version": card.version, "items": items}


def _named_label_json(label: CurrentLabel) -> _NamedLabelJson:
    return {
        "label": label.name,
        "display": label.display,
        "color": label.color,
        "parent": label.parent,
        "aliases": list(label.aliases),
        "merged_into": label.merged or None,
    }


def card_json(card: ModelCard | DetectorCard, live: bool) -> CardJson | DetectorCardJson:
    """A version's card without the golden photos' figures."""
    size = card.input
    shown: DetectorCardJson = {
        "name": card.name,
        "version": card.version,
        "live": live,
        "title": card.title,
        "summary": card.summary,
        "limits": list(card.limits),
        "input": {"height": size.height, "width": size.width, "resize": size.resize},
        "threshold": card.threshold,
        "metrics": card.metrics,
        "split": card.split,
        "data": list(card.data),
        "training": card.training,
        "libraries": card.libraries,
        "files": card.files,
        "created_at": card.created_at,
    }
    if isinstance(card, DetectorCard):
        return shown
    return {
        **shown,
        "labels": [
            {**_named_label_json(label), "class_id": class_id}
            for class_id, label in enumerate(map(as_current, card.labels))
        ],
        "temperature": card.temperature,
        "parent_threshold": card.parent_threshold,
    }
