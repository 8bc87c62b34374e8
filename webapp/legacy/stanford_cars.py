"""The Stanford Cars classifier: `POST /infer`."""

from flask import jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, check
from webapp.api.openapi.calls import read_files
from webapp.legacy.blueprint import bp, classify_only


@bp.post("/infer", strict_slashes=False)
def infer() -> ResponseReturnValue:
    """The first label of the photo in the field `image`; nothing is stored."""
    check(Need.PREDICTING)
    return jsonify({"class": classify_only(read_files("image")[0]).label})
