"""The Formula One team classifier: `POST /predict` with a form."""

from http import HTTPStatus

from flask import jsonify, redirect, url_for
from flask.typing import ResponseReturnValue

from webapp.api.authentication import who
from webapp.api.openapi.calls import read_files
from webapp.domain import RankedLabel
from webapp.extensions import get_pipeline, get_registry
from webapp.http.messages import wants_json
from webapp.services.photos.classify import Origin, classify_photo
from webapp.services.photos.gallery import full_ranking


def predict_form() -> ResponseReturnValue:
    """Store the photo in the field `file`; answer with its ranking in JSON, or with its page."""
    done = classify_photo(read_files("file")[0], get_pipeline(), Origin(who(), "api"))
    photo = done.photo
    if wants_json() and photo.prediction is not None:
        sentences = [_sentence(line) for line in full_ranking(photo.prediction, get_registry())]
        by_rank = {str(rank): sentence for rank, sentence in enumerate(sentences, 1)}
        return jsonify(prediction=sentences[0], predictions=by_rank)
    again = "again" if done.duplicate else None
    page = url_for("gallery.photo", public_id=photo.public_id, sent=again)
    return redirect(page, HTTPStatus.SEE_OTHER)


def _sentence(line: RankedLabel) -> dict[str, object]:
    percent = line.probability * 100
    message = f"{_ordinal(line.rank)} Prediction: {line.label} with {percent:.2f}% confidence."
    return {"class": line.label, "confidence_percent": round(percent, 2), "message": message}


def _ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th … 11th … 21st."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"
