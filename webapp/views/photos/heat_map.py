"""The heat map of a photo page: which labels it can be shown for, and the overlay itself."""

from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, ModelNotFoundError, ModelUnavailableError, NoHeatMapError
from webapp.extensions import get_classifier, get_files, get_limiter
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.services.photos import gallery
from webapp.services.photos.gallery import PhotoDetails, Prediction
from webapp.services.photos.heat_map import heat_map
from webapp.views import guards
from webapp.views.photos.presenters import FIRST, PresentedAnswer

bp = Blueprint("heat", __name__)


@bp.get("/photos/<public_id>/heat/<label>")
@guards.photo_open
def overlay(public_id: str, label: str) -> ResponseReturnValue:
    """The overlay for one label of a car (`?car=`, else the main one), by the live version of
    `?model=`; `?version=` must be that."""
    count_photos()
    car = gallery.get_car_of(public_id, request.args.get("car", ""))
    classifier = get_classifier(request.args.get("model", ""))
    live = str(classifier.card.version)
    if request.args.get("version", live) != live:
        raise NoHeatMapError(f"Only the version that answers now has heat maps: {live}.")
    rendition = heat_map(
        car, label, classifier=classifier, files=get_files(), limiter=get_limiter()
    )
    return picture(rendition, varies="version" not in request.args)


def offer(
    details: PhotoDetails, prediction: Prediction | None, shown: PresentedAnswer | None
) -> dict[str, Any] | None:
    """What a photo's page offers for the answer that it shows; None when its version has no
    heat maps.

    `label` is the one it is on for, "" while it is off, `overlay` the picture's address; `first`
    are the labels that can be chosen at once, `others` the rest, as (label, name). Raises
    `BadRequestError` when the URL asks for a label that the version does not know.
    """
    if prediction is None or shown is None or not _has_heat_maps(prediction):
        return None
    names = {bar.label: bar.display for bar in shown.bars}
    wanted = request.args.get("heat", "")
    if wanted and wanted not in names:
        raise BadRequestError("The heat map can only be shown for a label that the model knows.")
    pairs = list(names.items())
    address = url_for(
        "heat.overlay",
        public_id=details.photo.public_id,
        label=wanted or pairs[0][0],
        model=prediction.model,
        version=prediction.version,
        car=details.car.public_id,
    )
    others = sorted(pairs[FIRST:], key=lambda pair: pair[1].casefold())
    return {
        "label": wanted,
        "name": names.get(wanted, ""),
        "overlay": address,
        "first": pairs[:FIRST],
        "others": others,
    }


def _has_heat_maps(prediction: Prediction) -> bool:
    try:
        classifier = get_classifier(prediction.model)
    except (ModelNotFoundError, ModelUnavailableError):
        return False
    return classifier.card.version == prediction.version and classifier.head is not None
