"""Suspected wrong ground truths: a list with what the model says instead."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, StringField

from webapp.errors import BadRequestError, PhotoNotFoundError
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter, parse_filter
from webapp.inference.models.card import ModelCard
from webapp.services.labels.relabel import Relabelled
from webapp.services.review import suspects
from webapp.services.review.queue import ReviewQueue, check_car, check_photo, make_stamp
from webapp.storage.review.suspects import run_of
from webapp.views import guards
from webapp.views.flashes import note, noting
from webapp.views.forms import Form
from webapp.views.labels.relabel import live_choice
from webapp.views.layout import (
    label_groups,
    live_cards,
    model_choices,
    render_page,
    shown_name,
)

bp = guards.guard(
    Blueprint("suspects", __name__, url_prefix="/review/suspected"), guards.people_only
)
_PARAMS = ("model", "ground_truth", "other")


class CheckForm(Form):
    """Give a car of the review its label, without `car` the main car of `photo`; `model` is the one
    whose answer is shown."""

    photo = HiddenField()
    car = HiddenField()
    label = HiddenField()
    model = HiddenField()
    why = StringField("Reason")


@bp.get("")
def index() -> ResponseReturnValue:
    """Labels that a model doubts, the most doubted first."""
    args = {name: request.args.get(name, "").strip() for name in _PARAMS}
    params = {name: value for name, value in args.items() if value}
    card, error = _card(args["model"]), None
    page = suspects.Suspects([], "", 0, more=False)
    if card is not None:
        suspects.find_suspects(get_registry(), [card])
        other, cursor = args["other"], request.args.get("cursor", "")
        try:
            photo_filter = parse_filter({**params, "model": card.name})
            page = suspects.list_suspects(
                photo_filter, who=guards.who(), other=other, cursor=cursor
            )
        except BadRequestError as fault:  # said above all of them
            error = fault
            page = suspects.list_suspects(GalleryFilter(model=card.name), who=guards.who())
    return render_page(
        "review/suspects.html",
        error,
        card=card,
        params=params,
        narrowed={name: value for name, value in params.items() if name != "model"},
        page=page,
        run=run_of(card.name) if card else None,
        most_photos=suspects.MOST_CARS,
        most_stored=suspects.MOST_STORED,
        models=model_choices(),
        groups=label_groups(card.name)[:-1] if card else [],
    )


@bp.post("")
def decide() -> ResponseReturnValue:
    """Keep the label of a photo, or give it another one; either settles it."""
    form = CheckForm()
    with noting(PhotoNotFoundError):
        check = check_form(form, ReviewQueue("suspected"))
        text = "Saved:" if check.changed else "Kept:"
        note(text, strong=f"{shown_name(form.label.data)}.", batch=check.batch)
    return redirect(guards.way_back(url_for(".index")), 303)


@bp.post("/look")
def compare() -> ResponseReturnValue:
    """Compare the labels with the model again now."""
    model = request.form.get("model", "")
    if (card := _card(model)) is not None:
        suspects.find_suspects(get_registry(), [card], at_once=True)
    return redirect(url_for(".index", model=model or None), 303)


def check_form(form: CheckForm, queue: ReviewQueue) -> Relabelled:
    """Do what the form says. Raises what `check_car` raises."""
    who, cards, label = guards.who(), live_choice(), form.label.data
    if car := form.car.data:
        return check_car(car, label, cards, make_stamp(queue, who, form.why.data))
    return check_photo(form.photo.data, label, queue=queue, cards=cards, who=who, why=form.why.data)


def find_due_suspects(queue: ReviewQueue) -> None:
    """Before the queue of suspected labels is read: compare with the models, if that is due."""
    model = queue.photo_filter.model
    cards = [card for card in live_cards() if model in ("", card.name)]
    suspects.find_suspects(get_registry(), cards)


def _card(model: str) -> ModelCard | None:
    """The card of a live model, the site's own for an unknown one, None when nothing is live."""
    cards = live_cards()
    return next((card for card in cards if card.name == model), cards[0] if cards else None)
