"""Cars: where they are in a photo, what models and people said about them, and their boxes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, cast

from pydantic import Field

from webapp.api.schemas.base import ApiRequest, Count, JsonShape, Share, Why, enum, example
from webapp.api.schemas.predictions import (
    PredictionJson,
    answer_json,
    first_labels,
    prediction_json,
)
from webapp.domain import OUTCOMES, Box, ClassifiedCar, FoundBy
from webapp.inference.models.registry import Registry
from webapp.services.cars.similar import SimilarCars
from webapp.services.photos.gallery import MAX_LIMIT, PAGE
from webapp.storage.tables import Car

_RANKED = 5  # labels of a prediction of a car in its photo

CarBox = Annotated[
    list[Share],
    Field(
        min_length=4,
        max_length=4,
        description="x, y, width and height, as shares of the sides of the upright photo.",
    ),
]

# ---- requests ----


class BoxBody(ApiRequest):
    """Where a car is."""

    model_config = example(box=[0.12, 0.3, 0.55, 0.48])

    box: CarBox
    why: Why = ""

    @property
    def numbers(self) -> Box:
        """The box as the services take it."""
        x, y, width, height = self.box
        return x, y, width, height


class CarBody(BoxBody):
    """Where a car is, and what it is."""

    model_config = example(box=[0.12, 0.3, 0.55, 0.48], label="mclaren")

    label: str = ""
    """A label, `none` (none of the labels), `unusable` or `no-car`; without it nothing is
    said."""
    model: str = ""
    """The model whose label it is; without it any live one."""


class SimilarQuery(ApiRequest):
    """How many similar cars."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = PAGE
    """How many cars."""


# ---- answers ----


class DetectedCarJson(JsonShape):
    """A car of a photo that was not stored."""

    box: CarBox
    score: Share | None
    """How sure the detector is; null when it did not find the car."""
    found_by: FoundBy
    """`whole`: the whole photo counts as one car."""
    prediction: PredictionJson | None
    """The one that is shown; null when no model has classified the car yet."""
    predictions: list[PredictionJson]
    """One for each model that has classified it."""


class CarJson(DetectedCarJson):
    """A car of a photo."""

    id: str
    ground_truth: str | None
    """The label that a person gave it, `none` (none of the labels), `unusable` or `no-car`; null
    without."""
    outcome: Annotated[str, enum(*OUTCOMES)]
    """What became of the prediction, held against the ground truth."""


class WholeCarJson(CarJson):
    """A car with every label of its predictions."""

    photo: str
    """The id of its photo."""


class ChangedCarJson(WholeCarJson):
    """A car that was changed."""

    batch: str | None
    """`DELETE /labels/batches/{batch}` takes the change back; null when nothing was changed."""


class SimilarCarJson(JsonShape):
    """A car that is near to another one."""

    id: str
    photo: str
    """The id of its photo."""
    box: CarBox
    similarity: float
    """The cosine of the two embeddings, from -1 to 1; 1 is the same to the network."""
    decision: str | None
    """The answer that is shown; null when no model has classified the car yet."""
    ground_truth: str | None
    """The label that a person gave it, `none` (none of the labels) or `unusable`; null without."""


class SimilarCarsJson(JsonShape):
    """The cars nearest to one, the nearest first."""

    model: str
    version: int
    """The version whose embeddings were compared."""
    compared: Count
    """Cars about which this version has answered."""
    others: Count
    """Cars about which it has not, so that they cannot be among the similar ones."""
    items: list[SimilarCarJson]


# ---- presenters ----


def car_json(
    car: Car,
    registry: Registry,
    known: Mapping[int, PredictionJson] = MappingProxyType({}),
    most: int | None = _RANKED,
) -> CarJson:
    """A car with its predictions, each with at most so many labels. Those in `known` are written
    already, by their numbers, with all labels."""
    predictions = {
        row.id: first_labels(known[row.id], most)
        if row.id in known
        else prediction_json(row, registry, most=most)
        for row in car.predictions
    }
    return {
        "id": car.public_id,
        "box": list(car.box),
        "score": car.score,
        "found_by": cast(FoundBy, car.found_by),
        "ground_truth": car.ground_truth,
        "outcome": car.outcome,
        "prediction": predictions[car.prediction.id] if car.prediction else None,
        "predictions": list(predictions.values()),
    }


def whole_car_json(car: Car, registry: Registry) -> WholeCarJson:
    """A car with every label of its predictions."""
    return {**car_json(car, registry, most=None), "photo": car.photo.public_id}


def changed_car_json(car: Car, registry: Registry, batch: str) -> ChangedCarJson:
    """A car that was changed."""
    return {**whole_car_json(car, registry), "batch": batch or None}


def similar_cars_json(similar: SimilarCars) -> SimilarCarsJson:
    """The cars nearest to one."""
    return {
        "model": similar.model,
        "version": similar.version,
        "compared": similar.compared,
        "others": similar.others,
        "items": [
            {
                "id": car.public_id,
                "photo": car.photo.public_id,
                "box": list(car.box),
                "similarity": round(cosine, 4),
                "decision": car.shown_decision,
                "ground_truth": car.ground_truth,
            }
            for car, cosine in similar.cars
        ],
    }


def classified_car_json(car: ClassifiedCar) -> DetectedCarJson:
    """A car of a photo that was not stored."""
    return {
        "box": list(car.car.box),
        "score": car.car.score,
        "found_by": car.car.found_by,
        "prediction": answer_json(car.answer, _RANKED) if car.answer else None,
        "predictions": [answer_json(answer, _RANKED) for answer in car.answers],
    }
