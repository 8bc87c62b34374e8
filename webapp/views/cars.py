"""The boxes of cars: people draw them, move them, and look at what is in one."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.fields import Field

from webapp.domain import ALL_MODELS, Box
from webapp.errors import BadBoxError
from webapp.extensions import get_files, get_limiter, get_pipeline
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.services.cars import boxes
from webapp.services.cars.boxes import DrawnCar
from webapp.services.photos import gallery
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Car
from webapp.views import guards
from webapp.views.flashes import note, noting
from webapp.views.forms import Form

bp = Blueprint("cars", __name__)
_ROUNDING = 1e-4  # percent


class BoxForm(Form):
    """Where a car is, in percent of the photo's sides."""

    left = StringField("Left")
    top = StringField("Top")
    width = StringField("Width")
    height = StringField("Height")

    @property
    def box(self) -> Box:
        """The box in shares of the sides. Raises `BadBoxError`."""
        left, top, width, height = map(_percent, (self.left, self.top, self.width, self.height))
        if max(left + width, top + height) > 100 + _ROUNDING:
            raise BadBoxError(
                "The box must lie inside the photo: left and width add up to at most 100 %, and "
                "so do top and height. Nothing was changed."
            )
        return left / 100, top / 100, width / 100, height / 100


def _percent(field: Field) -> float:
    text = field.data.strip().removesuffix("%").replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 100:
        raise BadBoxError(
            f"{field.label.text} must be a number of percent from 0 to 100. Nothing was changed."
        )
    return number


def box_form(car: Car | None = None) -> BoxForm:
    """A form for a page: with the box of a car, or empty to draw another one."""
    percent = [f"{share * 100:.4g}" for share in car.box] if car else []
    names = ("left", "top", "width", "height")
    form = BoxForm(formdata=None, data=dict(zip(names, percent, strict=False)))
    for field in form:  # a page has two of them
        field.id = field.label.field_id = f"{'move' if car else 'draw'}-{field.name}"
    return form


@bp.post("/photos/<public_id>/cars")
@guards.people_only
def draw(public_id: str) -> ResponseReturnValue:
    """Draw a box around a car that was missed; every live model answers what is in it."""
    car = None
    with noting(BadBoxError):
        drawn, stamp = DrawnCar(BoxForm().box), Stamp(guards.who(), "photo")
        count_photos()
        car = boxes.add_car(public_id, drawn, get_pipeline(ALL_MODELS), stamp).public_id
        note("Saved:", strong="a car was drawn.", batch=stamp.batch)
    back = url_for("gallery.photo", public_id=public_id, car=car)
    return redirect(back if car else guards.way_back(back), 303)


@bp.post("/cars/<car_id>/box")
@guards.people_only
def move(car_id: str) -> ResponseReturnValue:
    """Give a car another box; every live model answers what is in it. Its ground truth stays."""
    before, stamp = gallery.get_car(car_id), Stamp(guards.who(), "photo")
    box, photo = before.box, before.photo.public_id
    with noting(BadBoxError):
        wanted = BoxForm().box
        count_photos()
        car = boxes.move_car(car_id, wanted, get_pipeline(ALL_MODELS), stamp)
        if car.box == box:
            note("The box is there already.", kind="")
        else:
            note("Saved:", strong="the box was moved.", batch=stamp.batch)
    return redirect(url_for("gallery.photo", public_id=photo, car=car_id), 303)


@bp.get("/cars/<car_id>/crop")
@guards.car_open
def crop(car_id: str) -> ResponseReturnValue:
    """What a car's box and its margin cut out of the photo."""
    rendition = gallery.car_crop(gallery.get_car(car_id), files=get_files(), limiter=get_limiter())
    return picture(rendition, varies=True)
