"""For admins: train the next version of a model from the labelled cars of the history."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.errors import MarqueError
from webapp.extensions import get_registry
from webapp.services.jobs.types import training as training_job
from webapp.services.training.history import photos_to_learn
from webapp.views import guards
from webapp.views.layout import render_page

bp = guards.guard(Blueprint("training", __name__, url_prefix="/models"), guards.admins_only)
_LISTED = 20  # labels with their cars; the others are counted


@bp.route("/<name>/train", methods=["GET", "POST"])
def form(name: str) -> ResponseReturnValue:
    """What there is to learn from, and a button that starts the job; what is refused is said."""
    error = None
    if request.method == "POST":
        try:
            return guards.to_job(training_job.enqueue(get_registry(), name, guards.sender()))
        except MarqueError as refused:
            error = refused
    return render_page(
        "models/train.html",
        error,
        name=name,
        photos=photos_to_learn(get_registry(), name),
        trouble=training_job.cannot_train(),
        job=training_job.last(name),
        listed=_LISTED,
    )
