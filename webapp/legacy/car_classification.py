"""The car-classification API: `POST /predict/` with several photos."""

from itertools import count

from flask import jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, check
from webapp.api.openapi.calls import read_files
from webapp.errors import MarqueError
from webapp.extensions import get_pipeline
from webapp.legacy.blueprint import bp, shown_answer
from webapp.services.photos.classify import answer_photos, clean_name


@bp.post("/predict/")
def predict_several() -> ResponseReturnValue:
    """The first label of each photo in the fields `files`, by file name; nothing is stored.

    Of several photos with one name the later become `car (2).jpg`. A photo that cannot be read
    refuses the request: the shape has no place for its error.
    """
    check(Need.PREDICTING)
    incoming = read_files("files")
    results = answer_photos(incoming, get_pipeline())
    answers: dict[str, object] = {}
    names = {photo.filename for photo in incoming}
    for photo, result in zip(incoming, results, strict=True):
        name = photo.filename
        if isinstance(result, MarqueError):
            result.args = (f"{clean_name(name)}: {result}",)
            raise result
        if name in answers:
            stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
            numbered = (f"{stem} ({number}){dot}{ending}" for number in count(2))
            name = next(free for free in numbered if free not in names)
            names.add(name)
        first = shown_answer(result).ranked[0]
        answers[name] = {"class_id": first.class_id, "class_name": first.label}
    return jsonify(predictions=answers)
