"""The review: one photo large, its ranked labels as buttons with keys, and the next one comes."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from webapp.domain import NO_CAR, UNUSABLE
from webapp.errors import BadRequestError, NothingToUndoError, PhotoNotFoundError
from webapp.gallery_filter import filter_params
from webapp.services.labels import search
from webapp.services.photos import gallery
from webapp.services.photos.gallery import PhotoDetails, Prediction
from webapp.services.photos.wording import display
from webapp.services.review import queue as review
from webapp.services.review.queue import ReviewQueue, ReviewState
from webapp.storage.photos.photos import latest_photo
from webapp.views import guards
from webapp.views.flashes import note, noting
from webapp.views.forms import Form
from webapp.views.labels.relabel import live_choice, search_values
from webapp.views.layout import label_groups, live_cards, render_page, shown_name
from webapp.views.photos.presenters import FIRST, card_for, present_prediction
from webapp.views.photos.query_filters import read_filter
from webapp.views.review.suspects import CheckForm, check_form, find_due_suspects

bp = guards.guard(Blueprint("review", __name__, url_prefix="/review"), guards.people_only)
_ORDER_TEXTS = {
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
        "Labels that the model has reason to doubt. Photos that it was trained on, as far as "
        "known, are left out. Keep or correct it.",
    ),
    "disputed": (
        "Reviewers disagree",
        "Photos that people labelled differently. A second voice for one of the labels settles it.",
    ),
    "audit": (
        "Random audit",
        "A random sample of all photos: only what is found here says how often the answers are "
        "right.",
    ),
}
_LATER = "later"
_MOST_LATER = 40  # cars put aside that a browser remembers; a cookie holds 4 KB
_EARLIER = 4  # checked photos in the strip
_NOTHING = (UNUSABLE, NO_CAR)  # verdicts that say nothing about the answer
_SAMPLE = 200  # photos, the proposed size of an audit


class _AuditForm(Form):
    """Draw a random sample. The size that a page proposes is no default of the field."""

    size = SelectField(
        "Photos",
        choices=[SelectChoice(str(size), f"{size:,} photos") for size in review.AUDIT_SIZES],
        coerce=int,
        validate_choice=False,
    )


@bp.get("")
def index() -> ResponseReturnValue:
    """The next car of a queue, or the one that `?car=` or the photo that `?photo=` names."""
    error = None
    try:
        queue = _queue()
    except BadRequestError as fault:  # said above everything, least sure first
        error, queue = fault, ReviewQueue()
    if queue.order == "suspected":
        find_due_suspects(queue)
    state = review.lease_next(queue, who=guards.who(), later=session.get(_LATER, []))
    again, details = request.args.get("photo", ""), None
    if again:
        details = gallery.get_details(again, request.args.get("car", ""))
    elif state.cars:
        first = state.cars[0]
        details = gallery.get_details(first.photo.public_id, first.public_id)
    params = _params(queue)
    return render_page(
        "review/index.html",
        error,
        queue=queue,
        params=params,
        filter={name: value for name, value in params.items() if name != "order"},
        latest=details or latest_photo(),
        order_texts=_ORDER_TEXTS,
        state=state,
        again=bool(again),
        groups=label_groups(queue.photo_filter.model),
        audit_form=_AuditForm(formdata=None, size=_SAMPLE),
        first=FIRST,
        details=details,
        **(_answer_values(details, queue) | _strip_values(details, state) if details else {}),
    )


@bp.post("")
def decide() -> ResponseReturnValue:
    """Give the photo its label; the next one follows."""
    queue, form = _queue(), CheckForm()
    label, why = form.label.data, form.why.data
    if not label:
        note("Press the label itself: the reason goes with it.", kind="")
        which = {"photo": form.photo.data, "car": form.car.data or None}
        return redirect(url_for(".index", **_params(queue), **which, why=why), 303)
    with noting(PhotoNotFoundError):
        check_form(form, queue)
    return redirect(url_for(".index", **_params(queue)), 303)


@bp.post("/later")
def later() -> ResponseReturnValue:
    """Put the car aside: it comes again after the others."""
    form = CheckForm()
    car = form.car.data or gallery.get_details(form.photo.data).car.public_id
    others = [aside for aside in session.get(_LATER, []) if aside != car[:24]]
    session[_LATER] = [*others, car[:24]][-_MOST_LATER:]
    return redirect(url_for(".index", **_params(_queue())), 303)


@bp.post("/undo")
def undo() -> ResponseReturnValue:
    """Take back what this person checked last, and show that photo again."""
    queue, which = _queue(), {}
    with noting(NothingToUndoError):
        last = review.undo_last(queue, who=guards.who())
        note("Taken back:", strong=f"{shown_name(last.label)}.", kind="")
        which = {"photo": last.public_id, "car": last.car}
    return redirect(url_for(".index", **_params(queue), **which), 303)


@bp.post("/audits")
def audit() -> ResponseReturnValue:
    """Draw a random sample to be audited."""
    with noting(BadRequestError):
        review.start_audit(_AuditForm().size.data or 0, who=guards.who())
    return redirect(url_for(".index", order="audit"), 303)


@bp.get("/labels")
def labels() -> ResponseReturnValue:
    """The labels that a few letters find, as buttons, for the script."""
    values = search_values(request.args.get("q", ""), request.args.get("model", ""))
    return render_template("review/labels.html", **values)


def _queue() -> ReviewQueue:
    """The queue that the URL asks for. Raises `BadRequestError`."""
    order = request.args.get("order", "") or review.ORDERS[0]
    if order not in review.ORDERS:
        raise BadRequestError(f"order must be one of {', '.join(review.ORDERS)}.")
    return ReviewQueue(order, read_filter(request.args).replace(sort="newest"))


def _params(queue: ReviewQueue) -> dict[str, Any]:
    """The parameters of a URL that mean this queue."""
    return {"order": queue.order, **filter_params(queue.photo_filter)}


def _answer_values(details: PhotoDetails, queue: ReviewQueue) -> dict[str, Any]:
    """The answer, the heading, other versions' answers, labels that letters found."""
    model = queue.photo_filter.model
    prediction = next(
        (
            answer
            for answer in details.answers
            if (answer.model == model if model else answer.shown)
        ),
        None,
    )
    answer = present_prediction(prediction) if prediction else None
    of_model = prediction.model if prediction else ""
    heading = answer.sentence.text if answer else "What is it?"
    if answer and answer.sentence.kind == "sure":
        heading += " Right?"  # "McLaren, 97 %. Right?"
    photo, text = details.photo, request.args.get("q", "")
    shows_truth = queue.order != "audit" or request.args.get("photo")
    return {
        "photo": photo,
        "car": details.car,
        "truth": details.car.ground_truth if shows_truth else None,
        "card": card_for(prediction) if prediction else None,
        "model": of_model,
        "answer": answer,
        "heading": heading,
        "others": _other_versions(details, prediction) if prediction else [],
        "keyed": search.keyed(live_choice(of_model)) if live_cards() else [],
        **(search_values(text, of_model) if text else {"text": "", "labels": [], "examples": {}}),
    }


def _other_versions(details: PhotoDetails, prediction: Prediction) -> list[tuple[int, str]]:
    """What other versions of the same model called the car, where it was something else."""
    return [
        (
            other.version,
            f"{display(card_for(other), other.label)}, {present_prediction(other).bars[0].percent}",
        )
        for other in details.predictions
        if other.model == prediction.model
        and other.version != prediction.version
        and other.label != prediction.label
    ]


def _strip_values(details: PhotoDetails, state: ReviewState) -> dict[str, Any]:
    """The cars before and after the one that is shown, and the one to go back to."""
    checks, car_id = state.session.checks, details.car.public_id
    place = next((i for i, check in enumerate(checks) if check.car == car_id), -1)
    earlier = [
        (
            check,
            "kept" if check.kept else check.label if check.label in _NOTHING else "corrected",
        )
        for check in reversed(checks[place + 1 : place + 1 + _EARLIER])
    ]
    return {
        "earlier": earlier,
        "coming": [car for car in state.cars if car.public_id != car_id],
        "back": earlier[-1][0].car if earlier else "",
        "last": checks[0] if checks else None,
    }
