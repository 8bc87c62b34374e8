"""Trainings: what is asked for."""

from webapp.api.schemas.base import ApiRequest, example
from webapp.gallery_filter import Text


class TrainingBody(ApiRequest):
    """Train a model on the labelled cars of the history."""

    model_config = example(model="stanford-cars")

    model: Text
    """The name of a model with a live version, from which the training starts."""
