"""A reviewer says what a photo really shows, and takes labels back."""

from functools import partial
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, StringField

from webapp.domain import ALL_MODELS, NO_CAR, UNDO
from webapp.errors import ModelUnavailableError, NothingToUndoError
from webapp.extensions import get_cards, get_pipeline
from webapp.inference.models.card import ModelCard
from webapp.services.cars.boxes import undo_box_event, undo_boxes
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.labels import search
from webapp.services.labels.relabel import relabel_car, relabel_photo
from webapp.services.labels.undo import undo_event
from webapp.storage.cars.boxes import standing_events
from webapp.storage.labels.events import Stamp
from webapp.views import guards
from webapp.views.flashes import note, note_saved, note_undone, noting
from webapp.views.forms import Form

bp = guards.guard(Blueprint("relabel", __name__), guards.people_only)


class _RelabelForm(Form):
    """Give a car of a photo a ground truth, by default the main one. `model` is the one whose
    labels the page showed."""

    car = HiddenField()
    label = HiddenField()
    model = HiddenField()
    why = StringField("Why")


class _UndoForm(Form):
    """Take back a batch, or by its number one event of a label or of a box."""

    batch = HiddenField()
    event = HiddenField()
    box = HiddenField()


@bp.post("/photos/<public_id>/label")
def one(public_id: str) -> ResponseReturnValue:
    """Give a car of a photo a ground truth."""
    form = _RelabelForm()
    label, why = form.label.data, form.why.data.strip()
    if label or not why:
        cards = [] if label == NO_CAR else live_choice()
        stamp = Stamp(guards.who(), "photo", why)
        if car := form.car.data:
            done = relabel_car(car, label, cards, stamp)
        else:
            done = relabel_photo(public_id, label, cards, stamp)
        note_saved(done, label, cards)
    else:
        note("Press the label itself: the reason goes with it.", kind="")
    return redirect(guards.way_back(url_for("gallery.photo", public_id=public_id)), 303)


@bp.post("/labels/undo")
def undo() -> ResponseReturnValue:
    """Take back what was done together, or a single event of it."""
    form = _UndoForm()
    batch, stamp = form.batch.data, Stamp(guards.who(), UNDO)
    pipeline = partial(get_pipeline, ALL_MODELS)
    with noting(NothingToUndoError):
        if form.event.data:
            note_undone(undo_event(_number(form.event), stamp))
        elif form.box.data:
            note_undone(undo_box_event(_number(form.box), pipeline, stamp), boxed=True)
        elif bulk_job.is_large_batch(batch):
            params = bulk_job.undo_params(batch, UNDO)
            return guards.to_job(bulk_job.enqueue(params, guards.sender()))
        else:
            boxed = bool(standing_events(batch))
            note_undone(undo_boxes(batch, pipeline, stamp), boxed=boxed)
    return redirect(guards.way_back(url_for("gallery.index")), 303)


def _number(field: HiddenField) -> int:
    """The number of an event, 0 for one that makes no sense."""
    text = field.data
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def live_choice(model: str | None = None) -> list[ModelCard]:
    """The cards of live models whose labels may be given: that of `model`, by default the one the
    form names, else all. Raises `ModelUnavailableError`."""
    model = request.form.get("model", "") if model is None else model
    cards = get_cards()
    if not cards:
        raise ModelUnavailableError(
            "No model is live, so it is not known which labels there are. Nothing was changed."
        )
    return [card for card in cards if card.name == model] or cards


def search_values(text: str, model: str) -> dict[str, Any]:
    """The labels that a few letters find, with a photo of each, for `review/labels.html`."""
    labels = search.find_labels(text[:80], live_choice(model))
    return {"text": text, "labels": labels, "examples": search.examples(labels)}
