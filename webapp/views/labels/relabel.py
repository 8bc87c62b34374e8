"""A reviewer says what a photo really shows, and takes back what was done to one photo or to many."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import MarqueError, ModelUnavailableError, NothingToUndoError
from webapp.inference.models.card import ModelCard
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.labels.relabel import relabel_photos, undo_batch
from webapp.services.labels.undo import undo_event
from webapp.services.photos import gallery as history
from webapp.views import guards
from webapp.views.flashes import note, note_saved, note_undone
from webapp.views.jobs import sender
from webapp.views.layout import live_cards

bp = Blueprint("relabel", __name__)


@bp.post("/photos/<public_id>/label")
@guards.people_only
def one(public_id: str) -> ResponseReturnValue:
    """Give one photo a ground truth."""
    history.get_item(public_id)
    label, why = request.form.get("label", ""), request.form.get("why", "").strip()
    first, *others = live_choice()
    if label or not why:
        note_saved(
            relabel_photos(
                [public_id],
                label,
                card=first,
                others=others,
                who=guards.who(),
                place="photo",
                why=why,
            ),
            label,
        )
    else:
        note("Press the label itself: the reason goes with it.", kind="")
    return redirect(guards.way_back(url_for("gallery.photo", public_id=public_id)), 303)


@bp.post("/labels/undo")
@guards.people_only
def undo() -> ResponseReturnValue:
    """Take back what was done together, or a single event of it."""
    event = request.form.get("event", "")
    try:
        if event:
            note_undone(
                undo_event(
                    int(event) if event.isdecimal() and len(event) < 18 else 0,
                    who=guards.who(),
                    place="undo",
                )
            )
        else:
            batch = request.form.get("batch", "")
            if bulk_job.is_large_batch(batch):
                job = bulk_job.enqueue(bulk_job.undo_question(batch, place="undo"), sender())
                return redirect(url_for("jobs.one", job_id=job.public_id), 303)
            note_undone(undo_batch(batch, who=guards.who(), place="undo"))
    except NothingToUndoError as error:
        _note_error(error)
    return redirect(guards.way_back(url_for("gallery.index")), 303)


def live_choice() -> list[ModelCard]:
    """Whose labels may be given: those of the model that the page showed, else of all live ones."""
    cards = live_cards()
    if not cards:
        raise ModelUnavailableError(
            "No model is live, so it is not known which labels there are. Nothing was changed."
        )
    return [card for card in cards if card.name == request.form.get("model", "")] or cards


def _note_error(error: MarqueError) -> None:
    note(str(error), kind="is-error")
