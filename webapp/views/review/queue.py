"""The review: one photo large, its ranked labels as buttons with keys, and the next one comes by itself."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import SORTS, UNUSABLE
from webapp.errors import (
    BadRequestError,
    ModelUnavailableError,
    NothingToUndoError,
    PhotoNotFoundError,
)
from webapp.gallery_filter import filter_params, parse_filter
from webapp.inference.models.card import ModelCard
from webapp.services.labels import search as label_search
from webapp.services.photos import gallery as history
from webapp.services.photos.gallery import PhotoDetails, Prediction
from webapp.services.photos.wording import display
from webapp.services.review import queue as review
from webapp.services.review.queue import Desk, Queue, Sitting
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.layout import label_groups, live_cards, shown_name
from webapp.views.photos.presenters import FIRST, PresentedAnswer, card_for, present_prediction
from webapp.views.review.suspects import look_for

bp = Blueprint("review", __name__, url_prefix="/review")
ORDER_WORDS = {
    "least-sure": (
        "Least sure first",
        "Photos without a label: what the model was least sure of comes first.",
    ),
    "margin": (
        "Closest calls first",
        "Photos without a label: where two labels were nearest to each other comes first.",
    ),
    "surprising": (
        "Most surprising first",
        "Photos without a label: named, but with far less confidence than is usual for that label.",
    ),
    "versions": (
        "Versions disagree",
        "Photos without a label to which two versions of the model give different answers.",
    ),
    "suspected": (
        "Suspected wrong labels",
        "Labels that the model has reason to doubt. Photos that it has learnt from, as far as known, are left out. Keep or correct it.",
    ),
    "disputed": (
        "Reviewers disagree",
        "Photos that people labelled differently. A second voice for one of the labels settles it.",
    ),
    "audit": (
        "Random audit",
        "A random sample of all photos: only what is found here says how often the answers are right.",
    ),
}
LATER = "later"
MOST_LATER = 40
"""Photos put aside that a browser remembers; a cookie holds 4 KB."""
EARLIER = 4
"""Checked photos in the reel."""


@bp.get("")
@guards.people_only
def index() -> ResponseReturnValue:
    """The next photo of a queue, or the one that `?photo=` names. An order or filter that makes no sense is said above."""
    error = None
    try:
        queue = _queue()
    except BadRequestError as trouble:
        error, queue = trouble, Queue()
    if queue.order == "suspected":
        look_for(queue)
    desk = review.open_desk(queue, who=guards.who(), later=session.get(LATER, []))
    wanted = request.args.get("photo", "") or (desk.photo.public_id if desk.photo else "")
    story = history.get_details(wanted) if wanted else None
    body = render_template(
        "review/index.html",
        queue=queue,
        asked=_asked(queue),
        filter={name: value for name, value in _asked(queue).items() if name != "order"},
        latest=story or history.latest_item(),
        words=ORDER_WORDS,
        desk=desk,
        again=bool(request.args.get("photo")),
        groups=label_groups(queue.wanted.model),
        sizes=review.AUDIT_SIZES,
        error=error,
        first=FIRST,
        **(_about(story, queue) | _reel(story, desk) if story else {"story": None}),
    )
    return body, 400 if error else 200


@bp.post("")
@guards.people_only
def decide() -> ResponseReturnValue:
    """Give the photo its label; the next one follows."""
    queue = _queue()
    public_id, label, why = (request.form.get(name, "") for name in ("photo", "label", "why"))
    if not label:
        note("Press the label itself: the reason goes with it.", kind="")
        return redirect(url_for(".index", **_asked(queue), photo=public_id, why=why), 303)
    first, *others = _cards(request.form.get("model", ""))
    try:
        review.check_photo(
            public_id, label, queue=queue, card=first, others=others, who=guards.who(), why=why
        )
    except PhotoNotFoundError as trouble:
        note(str(trouble), kind="is-error")
    return redirect(url_for(".index", **_asked(queue)), 303)


@bp.post("/later")
@guards.people_only
def later() -> ResponseReturnValue:
    """Put the photo aside: it comes again after the others."""
    public_id = request.form.get("photo", "")[:24]
    session[LATER] = [*(one for one in session.get(LATER, []) if one != public_id), public_id][
        -MOST_LATER:
    ]
    return redirect(url_for(".index", **_asked(_queue())), 303)


@bp.post("/undo")
@guards.people_only
def undo() -> ResponseReturnValue:
    """Take back what this person checked last, and show that photo again."""
    queue = _queue()
    try:
        public_id, label = review.undo_last(queue, who=guards.who())
    except NothingToUndoError as trouble:
        note(str(trouble), kind="is-error")
        return redirect(url_for(".index", **_asked(queue)), 303)
    note("Taken back:", strong=f"{shown_name(label)}.", kind="")
    return redirect(url_for(".index", **_asked(queue), photo=public_id), 303)


@bp.post("/audits")
@guards.people_only
def audit() -> ResponseReturnValue:
    """Draw a random sample to be audited."""
    size = request.form.get("size", "")
    try:
        review.start_audit(int(size) if size.isdecimal() and len(size) < 6 else 0, who=guards.who())
    except BadRequestError as trouble:
        note(str(trouble), kind="is-error")
    return redirect(url_for(".index", order="audit"), 303)


@bp.get("/labels")
@guards.people_only
def labels() -> ResponseReturnValue:
    """The labels that a few letters find, as buttons: the part of the page that the script fetches while somebody types."""
    return render_template(
        "review/labels.html", **_found(request.args.get("q", ""), request.args.get("model", ""))
    )


def _queue() -> Queue:
    """The queue that the URL asks for. Raises `BadRequestError`."""
    order = request.args.get("order", "") or review.ORDERS[0]
    if order not in review.ORDERS:
        raise BadRequestError(f"order must be one of {', '.join(review.ORDERS)}.")
    return Queue(order, parse_filter(request.args).replace(sort=SORTS[0]))


def _asked(queue: Queue) -> dict[str, Any]:
    """The parameters of a URL that mean this queue."""
    return {"order": queue.order, **filter_params(queue.wanted)}


def _cards(model: str) -> list[ModelCard]:
    """Whose labels may be given: those of the model whose answer is shown, else of all live ones."""
    cards = live_cards()
    if not cards:
        raise ModelUnavailableError(
            "No model is live, so it is not known which labels there are. Nothing was changed."
        )
    return [card for card in cards if card.name == model] or cards


def _about(story: PhotoDetails, queue: Queue) -> dict[str, Any]:
    """What the page says about the photo: the answer, the question, other versions' answers, labels that letters found."""
    model = queue.wanted.model
    said = next(
        (one for one in story.answers if (one.model == model if model else one.shown)), None
    )
    shown = present_prediction(said) if said else None
    truth = (
        story.item.photo.ground_truth
        if queue.order != "audit" or request.args.get("photo")
        else None
    )
    text = request.args.get("q", "")
    return {
        "story": story,
        "photo": story.item.photo,
        "truth": truth,
        "card": card_for(said) if said else None,
        "model": said.model if said else "",
        "shown": shown,
        "question": _question(shown),
        "others": _other_versions(story, said) if said else [],
        "text": text,
        "keyed": label_search.keyed(_cards(said.model if said else "")) if live_cards() else [],
        **(_found(text, said.model if said else "") if text else {"labels": [], "examples": {}}),
    }


def _question(shown: PresentedAnswer | None) -> str:
    """ "McLaren, 97 %. Right?" """
    if shown is None:
        return "What is it?"
    return f"{shown.sentence.text} Right?" if shown.sentence.kind == "sure" else shown.sentence.text


def _other_versions(story: PhotoDetails, said: Prediction) -> list[tuple[int, str]]:
    """What other versions of the same model called the photo, where it was something else."""
    others = [
        one
        for one in story.predictions
        if one.model == said.model and one.version != said.version and one.label != said.label
    ]
    return [
        (
            one.version,
            f"{display(card_for(one), one.label)}, {present_prediction(one).bars[0].percent}",
        )
        for one in others
    ]


def _found(text: str, model: str) -> dict[str, Any]:
    found = label_search.find_labels(text[:80], _cards(model))
    return {
        "text": text,
        "labels": found,
        "examples": label_search.examples([label for _card, label in found]),
    }


def _reel(story: PhotoDetails, desk: Desk) -> dict[str, Any]:
    """The photos before and after the one that is shown, and the one to go back to."""
    checks = desk.sitting.checks
    here = story.item.photo.public_id
    place = next((place for place, one in enumerate(checks) if one.public_id == here), -1)
    earlier = [
        (one, _kind(one.kept, one.label))
        for one in reversed(checks[place + 1 : place + 1 + EARLIER])
    ]
    coming = [
        one
        for one in ([desk.photo] if desk.photo else []) + list(desk.coming)
        if one.public_id != here
    ]
    return {
        "earlier": earlier,
        "coming": coming,
        "back": earlier[-1][0].public_id if earlier else "",
        "last": _last(desk.sitting),
    }


def _kind(kept: bool, label: str) -> str:
    return "kept" if kept else "unusable" if label == UNUSABLE else "corrected"


def _last(sitting: Sitting) -> tuple[str, bool] | None:
    """What was saved last, and whether it is what the model had said."""
    return (sitting.checks[0].label, sitting.checks[0].kept) if sitting.checks else None
