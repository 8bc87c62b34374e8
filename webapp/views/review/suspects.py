"""Suspected wrong ground truths: a list with what the model says instead, each settled with one press."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, PhotoNotFoundError
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter, parse_filter
from webapp.inference.models.card import ModelCard
from webapp.services.review import queue as review
from webapp.services.review import suspects as suspicion
from webapp.services.review.queue import Queue
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.labels.relabel import live_choice
from webapp.views.layout import label_groups, live_cards, model_choices, shown_name

bp = Blueprint("suspicion", __name__, url_prefix="/review/suspected")
KEPT = ("model", "ground_truth", "other")


@bp.get("")
@guards.people_only
def index() -> ResponseReturnValue:
    """Labels that a model doubts, the most doubted first. A filter that makes no sense is said above."""
    asked = {
        name: request.args[name].strip() for name in KEPT if request.args.get(name, "").strip()
    }
    card, error, found = (
        _card(asked.get("model", "")),
        None,
        suspicion.Suspects([], "", 0, more=False),
    )
    if card is not None:
        suspicion.look(get_registry(), [card])
        try:
            wanted = parse_filter({**asked, "model": card.name})
            found = suspicion.suspects(
                wanted,
                who=guards.who(),
                other=asked.get("other", ""),
                cursor=request.args.get("cursor", ""),
            )
        except BadRequestError as trouble:
            error, wanted = trouble, GalleryFilter(model=card.name)
            found = suspicion.suspects(wanted, who=guards.who())
    body = render_template(
        "review/suspects.html",
        card=card,
        asked=asked,
        narrowed={name: value for name, value in asked.items() if name != "model"},
        found=found,
        run=suspicion.last_look(card.name) if card else None,
        most=suspicion.MOST,
        most_kept=suspicion.MOST_KEPT,
        models=model_choices(),
        groups=label_groups(card.name)[:-1] if card else [],
        error=error,
    )
    return body, 400 if error else 200


@bp.post("")
@guards.people_only
def decide() -> ResponseReturnValue:
    """Keep the label of a photo, or give it another one; either settles it."""
    label = request.form.get("label", "")
    first, *others = live_choice()
    queue = Queue("suspected")
    try:
        done = review.check_photo(
            request.form.get("photo", ""),
            label,
            queue=queue,
            card=first,
            others=others,
            who=guards.who(),
        )
        note("Kept:" if done.same else "Saved:", strong=f"{shown_name(label)}.", batch=done.batch)
    except PhotoNotFoundError as trouble:
        note(str(trouble), kind="is-error")
    return redirect(guards.way_back(url_for(".index")), 303)


@bp.post("/look")
@guards.people_only
def look() -> ResponseReturnValue:
    """Let the model go through the labels again now."""
    card = _card(request.form.get("model", ""))
    if card is not None:
        suspicion.look(get_registry(), [card], at_once=True)
    return redirect(url_for(".index", model=request.form.get("model") or None), 303)


def look_for(queue: Queue) -> None:
    """Before the queue of suspected labels is read: let the models that it is about go through them, if that is due."""
    suspicion.look(
        get_registry(), [card for card in live_cards() if queue.wanted.model in ("", card.name)]
    )


def _card(model: str) -> ModelCard | None:
    """The card of a live model, of the site's own when there is no such, None when nothing is live."""
    cards = live_cards()
    return next((card for card in cards if card.name == model), cards[0] if cards else None)
