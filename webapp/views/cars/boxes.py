"""The boxes of cars: people draw them, move them, and look at what is in one."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import ALL_MODELS
from webapp.errors import BadBoxError, InvalidFormError
from webapp.extensions import get_files, get_limiter, get_pipeline
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.services.cars import boxes
from webapp.services.cars.boxes import DrawnCar
from webapp.services.photos import gallery
from webapp.storage.labels.events import Stamp
from webapp.views import guards
from webapp.views.cars.box_form import BoxForm
from webapp.views.flashes import note
from webapp.views.photos import photo_page

bp = Blueprint("cars", __name__)


@bp.post("/photos/<public_id>/cars")
@guards.people_only
def draw(public_id: str) -> ResponseReturnValue:
    """Draw a box around a car that was missed; every live model answers what is in it."""
    form, stamp = BoxForm().named("draw"), Stamp(guards.who(), "photo")
    try:
        drawn = DrawnCar(form.box)
        count_photos()
        car = boxes.add_car(public_id, drawn, get_pipeline(ALL_MODELS), stamp)
    except (BadBoxError, InvalidFormError) as error:
        return photo_page.render(public_id, form.car.data, form.model.data, (form, error))
    note("Saved:", strong="a car was drawn.", batch=stamp.batch)
    return redirect(url_for("gallery.photo", public_id=public_id, car=car.public_id), 303)


@bp.post("/cars/<car_id>/box")
@guards.people_only
def move(car_id: str) -> ResponseReturnValue:
    """Give a car another box; every live model answers what is in it. Its ground truth stays."""
    before, stamp = gallery.get_car(car_id), Stamp(guards.who(), "photo")
    form, box, photo = BoxForm().named("move"), before.box, before.photo.public_id
    try:
        wanted = form.box
        count_photos()
        car = boxes.move_car(car_id, wanted, get_pipeline(ALL_MODELS), stamp)
    except (BadBoxError, InvalidFormError) as error:
        return photo_page.render(photo, car_id, form.model.data, (form, error))
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
