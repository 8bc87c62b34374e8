"""The page of one photo: a model's answer about one of its cars, and what became of it."""

from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import WHOLE
from webapp.errors import BadRequestError, MarqueError, ModelNotFoundError
from webapp.extensions import get_extensions, get_registry
from webapp.inference.models.label_set import CurrentLabel, as_current
from webapp.reports.charts import Svg
from webapp.reports.polar import Sector, polar_svg
from webapp.services.photos import gallery, lookalikes, own_uploads
from webapp.services.photos.gallery import Car, Photo, PhotoDetails, Prediction
from webapp.storage.photos.lookalikes import near_photos
from webapp.views import guards
from webapp.views.cars.box_form import BoxForm, draw_form, move_form
from webapp.views.labels.relabel import search_values
from webapp.views.layout import live_cards, model_choices, render_page
from webapp.views.photos import heat_map, history
from webapp.views.photos.presenters import (
    FIRST,
    PresentedAnswer,
    card_for,
    present_photo,
    present_prediction,
)

_MOST_SAME = 6  # photos that are nearly the same


def render(
    public_id: str,
    car_id: str,
    model: str,
    refused: tuple[BoxForm, MarqueError] | None = None,
) -> ResponseReturnValue:
    """The page of a photo: what `model` says, or the shown answer, about a car, or the main one.
    `refused` is a form for a box as it was sent, and why it was refused.

    Raises `PhotoNotFoundError` or `ModelNotFoundError`.
    """
    details = gallery.get_details(public_id, car_id)
    prediction = _answer_of(details, model)
    answer = present_prediction(prediction, details.answers) if prediction else None
    browsing = guards.may_browse()
    asked: dict[str, Any] = {"car": car_id or None, "model": model or None, "chart": _chart()}
    form, error = refused or (None, None)
    return render_page(
        "photos/photo.html",
        error,
        refused=form,
        asked=asked,
        here=url_for("gallery.photo", public_id=public_id, **asked) if form else guards.here(),
        heat=heat_map.offer(details, prediction, answer),
        details=details,
        photo=details.photo,
        car=details.car,
        outcome=prediction.outcome if prediction else details.car.outcome,
        prediction=prediction,
        card=card_for(prediction) if prediction else None,
        answer=answer,
        polar=_polar(answer) if answer and asked["chart"] else None,
        silent=silent(details),
        unseen=_is_unseen(details.photo),
        chosen=prediction.model if prediction else model,
        history=history.lines(details),
        reference=_reference(details.car),
        first=FIRST,
        browsing=browsing,
        same=near_photos(details.photo, _MOST_SAME) if browsing else [],
        alike=_alike(prediction) if prediction and browsing else [],
        candidates=lookalikes.CANDIDATES,
        token=guards.delete_token(public_id),
        came_with=own_uploads.came_with(public_id, guards.owner().id),
        again=request.args.get("sent") == "again",
        **_car_values(details, prediction),
        **_box_forms(details.car, form),
    )


def silent(details: PhotoDetails) -> list[tuple[str, str]]:
    """Live models that have not looked at the photo yet, as (name, title)."""
    answered = {prediction.model for prediction in details.answers}
    return [(name, title) for name, title in model_choices() if name not in answered]


def _is_unseen(photo: Photo) -> bool:
    """True when a detector is live that has not looked at a photo; nor has a later version."""
    name = get_extensions().live_detector()
    live = name and get_registry().live_version(name)
    return bool(name) and (photo.detector_version or 0) < (live or 1)


def _answer_of(details: PhotoDetails, model: str) -> Prediction | None:
    """What `model` says, or the shown answer; None when it has not looked yet."""
    for prediction in details.answers:
        if prediction.model == model or (not model and prediction.shown):
            return prediction
    if model and model not in get_extensions().live_models():
        raise ModelNotFoundError(
            f"There is no model called “{model[:80]}” that could look at this photo."
        )
    return None


def _alike(prediction: Prediction) -> list[tuple[str, list[tuple[Car, float]]]]:
    """Cars that look like this one; none where no car was found."""
    return [] if prediction.nothing_found else lookalikes.looks_like(prediction)


def _chart() -> str | None:
    """How the page shows the ranking: "polar", or None for bars. Raises `BadRequestError`."""
    chart = request.values.get("chart") or None
    if chart not in (None, "polar"):
        raise BadRequestError("chart must be polar, or left out for bars.")
    return chart


def _polar(answer: PresentedAnswer) -> Svg:
    sectors = [Sector(bar.display, bar.width / 100, bar.percent, bar.color) for bar in answer.bars]
    return polar_svg(sectors, title="Polar chart of the ranked labels; the list below has the same")


def _car_values(details: PhotoDetails, prediction: Prediction | None) -> dict[str, Any]:
    """The cars of the photo with what they show, labels that letters found."""
    car, text = details.car, request.args.get("q", "").strip()
    cars = gallery.cars_of(details.photo)
    place = [each.id for each in cars].index(car.id)
    values: dict[str, Any] = {
        "cars": [(each, present_photo(each)) for each in cars],
        "after": cars[(place + 1) % len(cars)].public_id,
        "before": cars[place - 1].public_id,
        "text": text,
    }
    if text and guards.person() and prediction:
        values |= search_values(text, prediction.model)
    return values


def _box_forms(car: Car, refused: BoxForm | None) -> dict[str, BoxForm | None]:
    """The forms that draw a box and move that of the car that is open; `refused` as it was sent."""
    move = move_form(car) if car.found_by != WHOLE else None
    sent = {f"{refused.purpose}_form": refused} if refused else {}
    return {"draw_form": draw_form(), "move_form": move, **sent}


def _reference(car: Car) -> CurrentLabel | None:
    """The label that an admin may make the photo of a main car the reference photo of."""
    card = next((card for card in live_cards() if card.name == car.truth_model), None)
    if card is None or not car.ground_truth or car.position or not guards.is_admin():
        return None
    label = card.label(car.ground_truth)
    return as_current(label) if label else None
