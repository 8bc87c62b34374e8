"""The cars that a network sees as nearest to one; those that are picked get a label together."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField

from webapp.errors import BadRequestError, NotAskedError
from webapp.extensions import get_config
from webapp.services.cars.similar import MOST, similar_cars
from webapp.services.labels.relabel import relabel_cars
from webapp.services.photos.gallery import get_car
from webapp.storage.labels.events import Stamp
from webapp.views import guards
from webapp.views.flashes import note_saved, noting
from webapp.views.forms import Form
from webapp.views.labels.relabel import live_choice
from webapp.views.layout import label_groups, render_page
from webapp.views.photos.presenters import present_photo

bp = Blueprint("similar", __name__)


class _LabelForm(Form):
    """What the picked cars really are; their ids come as `ids`."""

    label = StringField("Really is")


@bp.get("/cars/<car_id>/similar")
@guards.gallery_open
def index(car_id: str) -> ResponseReturnValue:
    """The nearest cars of the whole history, the nearest first."""
    car, similar, error = get_car(car_id), None, None
    try:
        similar = similar_cars(car, MOST, get_config().data)
    except NotAskedError as refused:
        error = refused
    return render_page(
        "cars/similar.html",
        error,
        car=car,
        similar=similar,
        tiles=[(*pair, present_photo(pair[0])) for pair in similar.cars] if similar else [],
        form=_LabelForm(formdata=None, label=car.ground_truth or ""),
        labels=label_groups(retired=False) if guards.person() else [],
    )


@bp.post("/cars/<car_id>/similar")
@guards.people_only
def label(car_id: str) -> ResponseReturnValue:
    """Give the picked cars a ground truth, as one batch."""
    form, cards = _LabelForm(), live_choice()
    ids = list(dict.fromkeys(request.form.getlist("ids")))
    with noting(BadRequestError):
        done = relabel_cars(ids, form.label.data, cards, Stamp(guards.who(), "gallery"))
        note_saved(done, form.label.data, cards, "car")
    return redirect(url_for(".index", car_id=car_id), 303)
