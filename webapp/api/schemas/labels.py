"""Ground truths of many photos, and ground truths that a model doubts."""

from typing import Annotated, NotRequired, Self

from pydantic import ConfigDict, Field, model_validator

from webapp.api.schemas.base import OFF, ApiRequest, Count, JsonShape, ModelVersionJson
from webapp.api.schemas.photos import Filters, GroundTruthBody, Limit
from webapp.gallery_filter import Text
from webapp.inference.models.card import ModelCard
from webapp.services.labels.relabel import CHUNK, Relabelled
from webapp.services.photos.gallery import PAGE
from webapp.services.review.suspects import Suspects


class LabelsBody(GroundTruthBody):
    """A ground truth for many photos: either those of `ids`, or all that pass the `filter`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}],
            "examples": [
                {"filter": {"decision": "mclaren", "min_confidence": 0.9}, "label": "mclaren"}
            ],
        }
    )

    ids: Annotated[list[str], Field(min_length=1, max_length=CHUNK)] = OFF
    """Ids of photos."""
    filter: Filters = OFF
    """The filters of the list of photos; 50,000 photos at most."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        if ("ids" in self.model_fields_set) == ("filter" in self.model_fields_set):
            raise ValueError("needs either ids or a filter")
        return self


class SuspectedQuery(ApiRequest):
    """Which doubted ground truths."""

    model: Text = ""
    """The live model that doubts them; without it the site's own."""
    ground_truth: Text = OFF
    """Cars that a person gave this label."""
    other: Text = ""
    """Cars that the model takes for this instead."""
    limit: Limit = PAGE
    """How many photos."""
    cursor: Text = ""
    """`next` of the page before."""


class _SuspectJson(JsonShape):
    """A car whose ground truth the model doubts."""

    id: str
    """The photo."""
    car: str
    """The car in it."""
    filename: str
    ground_truth: str
    probability: float
    """What the model gives the ground truth."""
    other: str
    """The label that it suspects instead."""
    other_probability: float
    margin: float
    """The first probability minus the second: the lowest are the most suspected."""


class SuspectsJson(JsonShape):
    """A page of doubted ground truths, the most suspected first."""

    model: ModelVersionJson
    """Who doubts them."""
    items: list[_SuspectJson]
    left: int
    """How many there are, at least."""
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""


class RelabelledJson(JsonShape):
    """What a change of many ground truths did."""

    processed: Count
    skipped: Count
    """Photos that had the label already, or that were relabelled since."""
    batch: str | None
    """With this id all of it is taken back at once; null when nothing was changed."""
    taken_as: NotRequired[str]
    """The label that was given, when the one that was sent had been merged into it."""


def relabelled_json(done: Relabelled, asked: str = "") -> RelabelledJson:
    """What a change of many ground truths did; `asked` is the label of the request."""
    shown: RelabelledJson = {
        "processed": done.changed,
        "skipped": done.skipped,
        "batch": done.batch or None,
    }
    if asked and done.label != asked:
        shown["taken_as"] = done.label
    return shown


def suspects_json(page: Suspects, card: ModelCard) -> SuspectsJson:
    """A page of doubted ground truths."""
    items: list[_SuspectJson] = [
        {
            "id": suspect.photo.public_id,
            "car": suspect.car.public_id,
            "filename": suspect.photo.filename,
            "ground_truth": suspect.given,
            "probability": suspect.probability,
            "other": suspect.other,
            "other_probability": suspect.other_probability,
            "margin": suspect.margin,
        }
        for suspect in page.items
    ]
    model: ModelVersionJson = {"name": card.name, "version": card.version}
    return {"model": model, "items": items, "left": page.left, "next": page.next or None}
