"""The calls that belong to several of the services; importing it registers all others."""

from typing import Any

from flask import jsonify, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, check
from webapp.http.messages import wants_json
from webapp.legacy import car_classification, f1_teams, lada, stanford_cars, stanford_dogs
from webapp.legacy.blueprint import bp

__all__ = ["bp", "car_classification", "stanford_cars", "stanford_dogs"]


@bp.get("/healthcheck", strict_slashes=False)
def healthcheck() -> ResponseReturnValue:
    """The greeting that monitors compare with."""
    return jsonify(message="Hello World")


@bp.record_once
def _answer_first_page_in_json(state: BlueprintSetupState) -> None:
    """`GET /` for clients that accept JSON; browsers get the first page."""
    first_page = state.app.view_functions["upload.index"]

    def index() -> Any:
        if wants_json():
            return jsonify(status="The car classification service is running!")
        return first_page()

    state.app.view_functions["upload.index"] = index


@bp.post("/predict")
def predict() -> ResponseReturnValue:
    """A photo in a form, which is stored; or in base64 in JSON, which is not."""
    check(Need.PREDICTING)
    is_form = request.mimetype == "multipart/form-data"
    return f1_teams.predict_form() if is_form else lada.predict_base64()
