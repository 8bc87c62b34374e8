"""What the five services share: their blueprint, with the access and limits of the JSON API."""

from collections.abc import Sequence

from flask import Blueprint

from webapp.api.authentication import guard
from webapp.domain import Answer, ClassifiedCar
from webapp.extensions import get_pipeline
from webapp.services.photos.classify import Incoming, answer_photo

bp = guard(Blueprint("legacy", __name__))


def classify_only(incoming: Incoming) -> Answer:
    """The answer about the main car; nothing is stored."""
    return shown_answer(answer_photo(incoming, get_pipeline()))


def shown_answer(cars: Sequence[ClassifiedCar]) -> Answer:
    """The answer that is shown of the main car."""
    answer = cars[0].answer
    assert answer is not None  # noqa: S101  (a pipeline here asks at least one model)
    return answer
