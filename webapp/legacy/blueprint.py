"""What the five services share: their blueprint, with the access and limits of the JSON API."""

from flask import Blueprint

from webapp.api.authentication import guard
from webapp.domain import Answer
from webapp.extensions import get_pipeline
from webapp.services.photos.classify import Incoming, answer_photo

bp = guard(Blueprint("legacy", __name__))


def classify_only(incoming: Incoming) -> Answer:
    """The answer of the site's model; nothing is stored."""
    return answer_photo(incoming, get_pipeline())[0]
