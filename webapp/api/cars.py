"""Cars in JSON: read, label, draw, move, take away."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import Need, guard, who
from webapp.api.openapi.calls import Call
from webapp.api.schemas import cars
from webapp.api.schemas.base import CarId, PhotoId
from webapp.api.schemas.photos import GroundTruthBody
from webapp.domain import ALL_MODELS, NO_CAR
from webapp.extensions import get_config, get_label_cards, get_pipeline, get_registry
from webapp.http.rate_limits import count_photos
from webapp.inference.models.card import ModelCard
from webapp.services.cars import boxes
from webapp.services.cars.boxes import DrawnCar
from webapp.services.cars.similar import similar_cars
from webapp.services.labels import relabel
from webapp.services.photos.gallery import get_car
from webapp.storage.labels.events import Stamp

bp = guard(Blueprint("api_cars", __name__))
_ABSENT = (errors.PhotoNotFoundError,)
_NO_LABEL = (*_ABSENT, errors.UnknownLabelError, errors.ModelNotFoundError)
_NOT_SIMILAR = (*_ABSENT, errors.NotAskedError, errors.StorageFullError)
_NO_BOX = (*_NO_LABEL, errors.PhotoDeletedError, errors.BadBoxError, errors.BrokenPhotoError)


@Call(bp, "GET /cars/<car_id>", Need.READING, {200: cars.WholeCarJson}, _ABSENT)
def read(car_id: CarId) -> ResponseReturnValue:
    """One car, with every label of its predictions."""
    return jsonify(cars.whole_car_json(get_car(car_id), get_registry()))


@Call(bp, "GET /cars/<car_id>/similar", Need.READING, {200: cars.SimilarCarsJson}, _NOT_SIMILAR)
def read_similar(car_id: CarId, query: cars.SimilarQuery) -> ResponseReturnValue:
    """The cars of the whole history that are nearest to one, the nearest first.

    Embeddings of the version whose answer the car shows are compared, every one of them.
    """
    similar = similar_cars(get_car(car_id), query.limit, get_config().data)
    return jsonify(cars.similar_cars_json(similar))


@Call(bp, "PUT /cars/<car_id>/ground-truth", Need.REVIEW, {200: cars.ChangedCarJson}, _NO_LABEL)
def put_ground_truth(car_id: CarId, body: GroundTruthBody) -> ResponseReturnValue:
    """Give a car a ground truth."""
    get_car(car_id)  # that the car is gone says more than that no model is live
    return _relabel(car_id, body, get_label_cards(body.model))


@Call(bp, "POST /photos/<public_id>/cars", Need.REVIEW, {201: cars.ChangedCarJson}, _NO_BOX)
def add(public_id: PhotoId, body: cars.CarBody) -> ResponseReturnValue:
    """Draw a box around a car that was missed; every live model classifies it.

    The box of a photo in which no car was found yet becomes that of its only car, which keeps its
    ground truth.
    """
    count_photos()
    stamp = Stamp(who(), "api", body.why)
    label_cards = get_label_cards(body.model) if body.label or body.model else []
    drawn = DrawnCar(body.numbers, body.label, label_cards)
    car = boxes.add_car(public_id, drawn, get_pipeline(ALL_MODELS), stamp)
    headers = {"Location": url_for("api_cars.read", car_id=car.public_id)}
    answer = cars.changed_car_json(car, get_registry(), stamp.batch)
    return jsonify(answer), HTTPStatus.CREATED, headers


@Call(bp, "PATCH /cars/<car_id>", Need.REVIEW, {200: cars.ChangedCarJson}, _NO_BOX)
def move(car_id: CarId, body: cars.BoxBody) -> ResponseReturnValue:
    """Give a car another box; every live model classifies what is in it. The ground truth stays."""
    count_photos()
    stamp = Stamp(who(), "api", body.why)
    before = get_car(car_id).box
    car = boxes.move_car(car_id, body.numbers, get_pipeline(ALL_MODELS), stamp)
    batch = stamp.batch if car.box != before else ""
    return jsonify(cars.changed_car_json(car, get_registry(), batch))


@Call(bp, "DELETE /cars/<car_id>", Need.REVIEW, {200: cars.ChangedCarJson}, _ABSENT)
def remove(car_id: CarId) -> ResponseReturnValue:
    """Say that there is no car in a box: its ground truth is `no-car` then. No model is needed."""
    return _relabel(car_id, GroundTruthBody(label=NO_CAR), [])


def _relabel(car_id: str, body: GroundTruthBody, cards: Sequence[ModelCard]) -> ResponseReturnValue:
    stamp = Stamp(who(), "api", body.why)
    done = relabel.relabel_car(car_id, body.label, cards, stamp)
    return jsonify(cars.changed_car_json(get_car(car_id), get_registry(), done.batch))
