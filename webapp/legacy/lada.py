"""The Lada classifier: `POST /predict` with a photo in base64 in JSON."""

import base64
import binascii
import re

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError
from webapp.http.rate_limits import count_photos
from webapp.legacy.blueprint import classify_only
from webapp.services.photos.classify import MAX_BYTES, Incoming

_MAX_BODY = MAX_BYTES * 3 // 2  # base64 is four thirds of the photo; the rest is for line ends
_URL_SAFE = str.maketrans("-_", "+/")  # RFC 4648, section 5


def predict_base64() -> ResponseReturnValue:
    """The first label of the photo in the JSON body with its number, both as texts.

    The photo may have `data:image/…;base64,` before it; nothing is stored.
    """
    count_photos()
    request.max_content_length = _MAX_BODY
    body = request.get_json(silent=True, force=True)
    text = body.get("im_b64") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise BadRequestError(
            'Send JSON like {"im_b64": "<the photo in base64>"}, '
            "or a form with the photo in a field called file."
        )
    text = re.sub(r"\s+", "", re.sub(r"(?i)^\s*data:[^,]{0,200},", "", text)).translate(_URL_SAFE)
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError("im_b64 is not base64. Nothing was read.") from error
    first = classify_only(Incoming("photo", content)).ranked[0]
    return jsonify(class_num=str(first.class_id), class_name=first.label)
