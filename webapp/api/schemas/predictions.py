"""Predictions: what a model version said about a car, stored or not."""

from collections.abc import Iterable, Sequence
from typing import Annotated, cast

from pydantic import Field

from webapp.api.schemas.base import JsonShape, ModelVersionJson, Share
from webapp.domain import Answer, RankedLabel
from webapp.inference.models.registry import Registry
from webapp.services.photos.gallery import Prediction, full_ranking


class _RankedLabelJson(JsonShape):
    """One line of a ranking."""

    rank: Annotated[int, Field(ge=1)]
    label: str
    class_id: Annotated[int, Field(ge=-1)]
    """The place of the label in the model's card; -1 when that card is gone."""
    probability: Share


class PredictionJson(JsonShape):
    """The prediction of one model version for one car."""

    decision: str
    """A label, or `unclassified` when the model is not sure enough."""
    label: str
    """The first label of the ranking, also when the decision is `unclassified`."""
    confidence: Share
    """The probability of the first label."""
    familiarity: Share | None
    """How similar the photo is to the training photos; null for a version without this measure."""
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
    return _json(row, row.familiarity, (ranked or full_ranking(row, registry))[:most])


def answer_json(answer: Answer, most: int | None = None) -> PredictionJson:
    """A prediction that is not stored, with all labels or at most so many."""
    return _json(answer, answer.output.familiarity, answer.ranked[:most])


def _json(
    answer: Prediction | Answer, familiarity: float | None, ranked: Iterable[RankedLabel]
) -> PredictionJson:
    return {
        "decision": answer.decision,
        "label": answer.label,
        "confidence": answer.confidence,
        "familiarity": familiarity,
        "ranked": [cast(_RankedLabelJson, vars(line)) for line in ranked],
        "model": {"name": answer.model, "version": answer.version},
        "elapsed_ms": round(answer.elapsed_ms, 2),
    }
