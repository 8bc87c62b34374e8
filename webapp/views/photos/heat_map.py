"""The heat map of a photo page: which labels it can be shown for, and the overlay itself."""

from dataclasses import dataclass

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, ModelNotFoundError, ModelUnavailableError, NoHeatMapError
from webapp.extensions import get_classifier, get_files, get_limiter
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.services.photos import heat_map as heat
from webapp.services.photos.gallery import Prediction
from webapp.views import guards
from webapp.views.photos.presenters import FIRST, PresentedAnswer

bp = Blueprint("heat", __name__)


@dataclass(frozen=True)
class Heat:
    """A photo's heat map as its page offers it. `label` is the one that it is shown for, "" while it is off; `overlay` the picture's address.

    `first` are the labels that can be chosen at once, `others` the rest, as (label, name).
    """

    label: str
    name: str
    overlay: str
    first: list[tuple[str, str]]
    others: list[tuple[str, str]]


@bp.get("/photos/<public_id>/heat/<label>")
@guards.photo_open
def overlay(public_id: str, label: str) -> ResponseReturnValue:
    """The overlay over the photo for one label, by the live version of `?model=`; `?version=` must be that one."""
    count_photos()
    classifier = get_classifier(request.args.get("model", ""))
    version = request.args.get("version", str(classifier.card.version))
    if version != str(classifier.card.version):
        raise NoHeatMapError(
            f"Only the version that answers now can be asked where it looks: {classifier.card.version}."
        )
    found = heat.heat_map(
        public_id, label, classifier=classifier, files=get_files(), limiter=get_limiter()
    )
    return picture(found, varies="version" not in request.args)


def offer(
    public_id: str, prediction: Prediction | None, shown: PresentedAnswer | None
) -> Heat | None:
    """What the page of a photo offers for the answer that it shows; None when the version that gave it cannot be asked.

    Raises `BadRequestError` when the URL asks for a label that the version does not know.
    """
    if prediction is None or shown is None or not _can_be_asked(prediction):
        return None
    names = [(bar.label, bar.display) for bar in shown.bars]
    asked = request.args.get("heat", "")
    if asked and asked not in dict(names):
        raise BadRequestError("The heat map can only be shown for a label that the model knows.")
    label, version = asked or names[0][0], prediction.version
    address = url_for(
        "heat.overlay", public_id=public_id, label=label, model=prediction.model, version=version
    )
    return Heat(
        asked,
        dict(names).get(asked, ""),
        address,
        names[:FIRST],
        sorted(names[FIRST:], key=lambda pair: pair[1].casefold()),
    )


def _can_be_asked(prediction: Prediction) -> bool:
    try:
        classifier = get_classifier(prediction.model)
    except (ModelNotFoundError, ModelUnavailableError):
        return False
    return classifier.card.version == prediction.version and classifier.head is not None
