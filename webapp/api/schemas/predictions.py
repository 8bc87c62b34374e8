"""Predictions: what a model version said about a car, stored or not."""

from collections.abc import Iterable, Sequence
from typing import Annotated, cast

from pydantic import Field

from webapp.api.schemas.base import JsonShape, ModelVersionJson, Share, enum
from webapp.domain import LEVELS, Answer, Parent, RankedLabel, level_of
from webapp.inference.models.registry import Registry
from webapp.services.photos.gallery import Prediction, full_ranking, parent_of


class _RankedLabelJson(JsonShape):
    """One line of a ranking."""

    rank: Annotated[int, Field(ge=1)]
    label: str
    class_id: Annotated[int, Field(ge=-1)]
    """The place of the label in the model's card; -1 when that card is gone."""
    probability: Share


class _ParentJson(JsonShape):
    """The most probable parent of several labels, such as a make."""

    label: str
    probability: Share
    """The sum of its labels' probabilities."""


class PredictionJson(JsonShape):
    """The prediction of one model version for one car."""

    decision: str
    """A label; the name of `parent` when no label is sure enough; `unclassified` when the parent is
    not either."""
    level: Annotated[str, enum(*LEVELS)]
    """What the decision names: a label, a parent, or nothing."""
    label: str
    """The first label of the ranking, also when it is not the decision."""
    confidence: Share
    """The probability of the first label."""
    familiarity: Share | None
    """How similar the photo is to the training photos; null for a version without this measure."""
    parent: _ParentJson | None
    """Null when no two of the model's labels have the same parent, or the model's card is gone."""
    ranked: list[_RankedLabelJson]
    """Every label, the most probable first; in `cars` of a photo the first five."""
    model: ModelVersionJson
    elapsed_ms: Annotated[float, Field(ge=0)]
    """Decoding and network together, in milliseconds."""


def prediction_json(
    row: Prediction, registry: Registry, ranked: Sequence[RankedLabel] = (), most: int | None = None
) -> PredictionJson:
    """A stored prediction, with all labels or at most so many. `ranked` are all, where they are
    known."""
    lines = (ranked or full_ranking(row, registry))[:most]
    return _json(row, row.familiarity, parent_of(row, registry), lines)


def first_labels(prediction: PredictionJson, most: int | None) -> PredictionJson:
    """A prediction with at most so many of its labels."""
    return {**prediction, "ranked": prediction["ranked"][:most]}


def answer_json(answer: Answer, most: int | None = None) -> PredictionJson:
    """A prediction that is not stored, with all labels or at most so many."""
    return _json(answer, answer.output.familiarity, answer.parent, answer.ranked[:most])


def _json(
    answer: Prediction | Answer,
    familiarity: float | None,
    parent: Parent | None,
    ranked: Iterable[RankedLabel],
) -> PredictionJson:
    return {
        "decision": answer.decision,
        "level": level_of(answer.decision, answer.label),
        "label": answer.label,
        "confidence": answer.confidence,
        "familiarity": familiarity,
        "parent": cast(_ParentJson, vars(parent)) if parent else None,
        "ranked": [cast(_RankedLabelJson, vars(line)) for line in ranked],
        "model": {"name": answer.model, "version": answer.version},
        "elapsed_ms": round(answer.elapsed_ms, 2),
    }
