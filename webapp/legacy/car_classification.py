"""The car-classification API: `POST /predict/` with several photos."""

from collections.abc import Sequence
from itertools import count

from flask import jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, check
from webapp.api.openapi.calls import read_files
from webapp.domain import RankedLabel
from webapp.errors import MarqueError
from webapp.extensions import get_pipeline
from webapp.legacy.blueprint import bp
from webapp.services.photos.classify import answer_photos, clean_name


@bp.post("/predict/")
def predict_several() -> ResponseReturnValue:
    """The first label of each photo in the fields `files`, by file name; nothing is stored.

    A photo that cannot be read refuses the request: the shape has no place for its error.
    """
    check(Need.PREDICTING)
    incoming = read_files("files")
    results = answer_photos(incoming, get_pipeline())
    firsts = []
    for photo, result in zip(incoming, results, strict=True):
        if isinstance(result, MarqueError):
            result.args = (f"{clean_name(photo.filename)}: {result}",)
            raise result
        firsts.append((photo.filename, result[0].ranked[0]))
    return jsonify(predictions=_by_filename(firsts))


def _by_filename(firsts: Sequence[tuple[str, RankedLabel]]) -> dict[str, object]:
    """The first label by file name. Of several with one name the later become `car (2).jpg`."""
    answers: dict[str, object] = {}
    taken = {name for name, _line in firsts}
    for name, line in firsts:
        free = _free_name(name, {*taken, *answers}) if name in answers else name
        answers[free] = {"class_id": line.class_id, "class_name": line.label}
    return answers


def _free_name(name: str, taken: set[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem = name
    names = (f"{stem} ({number}){dot}{ending if dot else ''}" for number in count(2))
    return next(free for free in names if free not in taken)
