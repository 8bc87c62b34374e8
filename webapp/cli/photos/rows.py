"""What `flask photos classify` says about a photo, as a row: in the shape of the JSON API."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from webapp.cli.photos.output_formats import Row
from webapp.domain import ALL_MODELS, Box, Parent, RankedLabel, level_of
from webapp.extensions import get_registry
from webapp.inference.classifier import ClassifiedPhoto, make_answer
from webapp.inference.models.card import ModelCard
from webapp.services.photos import gallery as history
from webapp.services.photos.classify import Pipeline, StoredPhoto

TOP = 5  # labels of a prediction, unless all are asked for; of a car among `cars` always
_OF_CAR = ("box", "score", "found_by", "prediction", "predictions")
_Prediction = dict[str, Any]


def classified_row(
    photo: ClassifiedPhoto, changed: Mapping[str, ModelCard], model: str, top: int | None
) -> Row:
    """A photo that was classified here. `changed` are the cards of models with merged labels, as
    they read now; `model` is the choice of models, `top` how many labels a prediction has."""
    cars = []
    for car in photo.cars:
        predictions = []
        for answer in car.answers:
            if card := changed.get(answer.model):
                answer = make_answer(card, answer.output, answer.elapsed_ms, top)
            familiarity, parent = answer.output.familiarity, answer.parent
            predictions.append(_prediction(answer, answer.ranked, familiarity, parent))
        facts = _facts(car.car.box, car.car.score, car.car.found_by)
        cars.append(facts | _predictions(predictions, predictions[car.chosen or 0], model))
    return _row(cars)


def stored_row(stored: StoredPhoto, pipeline: Pipeline, model: str, top: int | None) -> Row:
    """A photo that was stored, with what the models of the pipeline say."""
    cars, registry = [], get_registry()
    for car in history.cars_of(stored.photo):
        by_model = {}
        for row in car.predictions:
            ranked = history.full_ranking(row, registry)[:top]
            parent = history.parent_of(row, registry)
            by_model[row.model] = _prediction(row, ranked, row.familiarity, parent)
        asked = [by_model[each.card.name] for each in pipeline.classifiers]
        shown = by_model[car.prediction.model] if car.prediction else asked[0]
        facts = _facts(car.box, car.score, car.found_by)
        cars.append(facts | _predictions(asked, shown if shown in asked else asked[0], model))
    return {"photo": stored.photo.public_id, "duplicate": stored.duplicate} | _row(cars)


def sent_row(answer: Row, model: str, top: int | None) -> Row:
    """A photo that a server has classified, as if it had been done here."""
    cars = [{name: car[name] for name in _OF_CAR if name in car} for car in answer.get("cars", [])]
    for part in (answer, *cars) if model != ALL_MODELS else ():
        part.pop("predictions", None)
    for prediction in [answer["prediction"], *answer.get("predictions", [])]:
        prediction["ranked"] = prediction["ranked"][:top]
    return answer | {"cars": cars}


def _row(cars: list[Row]) -> Row:
    """The predictions of the main car, and all cars with the first labels of theirs."""
    main = {name: cars[0][name] for name in ("prediction", "predictions") if name in cars[0]}
    return main | {"cars": [_short(car) for car in cars]}


def _short(car: Row) -> Row:
    first: Row = {"prediction": _cut(car["prediction"])}
    if "predictions" in car:
        first["predictions"] = [_cut(prediction) for prediction in car["predictions"]]
    return car | first


def _cut(prediction: _Prediction) -> _Prediction:
    return prediction | {"ranked": prediction["ranked"][:TOP]}


def _facts(box: Box, score: float | None, found_by: str) -> Row:
    return {"box": list(box), "score": score, "found_by": found_by}


def _predictions(predictions: list[_Prediction], shown: _Prediction, model: str) -> Row:
    """The prediction that is shown, and all of them when every model was asked for."""
    return {"prediction": shown} | ({"predictions": predictions} if model == ALL_MODELS else {})


def _prediction(
    answer: Any, ranked: Sequence[RankedLabel], familiarity: float | None, parent: Parent | None
) -> _Prediction:
    """`answer` is an `Answer` or a stored `Prediction`."""
    return {
        "decision": answer.decision,
        "level": level_of(answer.decision, ranked[0].label),
        "label": ranked[0].label,
        "confidence": ranked[0].probability,
        "familiarity": familiarity,
        "parent": asdict(parent) if parent else None,
        "ranked": [asdict(line) for line in ranked],
        "model": {"name": answer.model, "version": answer.version},
        "elapsed_ms": round(answer.elapsed_ms, 2),
    }
