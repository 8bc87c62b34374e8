"""The labels of a model as people see them: a list, a form for one of them, and what was changed, with the way back."""

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.extensions import get_registry
from webapp.inference.models.label_set import KINDS, as_seen, every_label, reads_as, split_into
from webapp.services.labels import label_set_files
from webapp.services.labels import label_sets as label_set
from webapp.services.labels import merges as label_merge
from webapp.services.labels import remapping as rereading
from webapp.services.labels import search as label_search
from webapp.services.models import cards
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.labels.merges import read_on
from webapp.views.template_filters import count

bp = Blueprint("label_set", __name__, url_prefix="/models")
LATEST = 50
"""Changes on the page of a model; a label's own page has all of its own."""


@bp.get("/<name>/labels")
@guards.admins_only
def index(name: str) -> ResponseReturnValue:
    """Every label of the live version; with `?label=` the form for one."""
    return _page(name, request.args.get("label", ""))


@bp.post("/<name>/labels")
@guards.admins_only
def change(name: str) -> ResponseReturnValue:
    """Save how people see one label."""
    label = request.form.get("label", "")
    wanted = {kind: request.form.get(kind, "") for kind in KINDS}
    try:
        changed = label_set.change_label(
            get_registry().published_card(name),
            label,
            wanted,
            who=guards.who(),
            why=request.form.get("why", ""),
        )
    except (BadRequestError, UnknownLabelError) as error:
        return _page(name, label, error), error.status
    note(
        f"Saved: {count(changed, 'change')}."
        if changed
        else "Nothing was different, so nothing was saved.",
        kind="is-ok" if changed else "",
    )
    return redirect(url_for(".index", name=name, label=label), 303)


@bp.post("/<name>/labels/photo")
@guards.admins_only
def picture(name: str) -> ResponseReturnValue:
    """Make a photo the reference photo of its label, from the photo's page."""
    card, label, photo = (
        get_registry().published_card(name),
        request.form.get("label", ""),
        request.form.get("photo", ""),
    )
    try:
        label_set.change_label(card, label, {"photo": photo}, who=guards.who())
        note(
            "It is the reference photo now:", strong=f"{display(get_registry().card(name), label)}."
        )
    except (BadRequestError, UnknownLabelError) as error:
        note(str(error), kind="is-error")
    return redirect(guards.way_back(url_for(".index", name=name)), 303)


@bp.get("/<name>/labels.json")
@guards.admins_only
def as_json(name: str) -> ResponseReturnValue:
    """The label set as a file of JSON."""
    return _file(
        label_set_files.to_json(get_registry().card(name)),
        f"{name}-labels.json",
        "application/json",
    )


@bp.get("/<name>/labels.csv")
@guards.admins_only
def as_csv(name: str) -> ResponseReturnValue:
    """The label set as a table."""
    return _file(
        label_set_files.to_table(get_registry().card(name)),
        f"{name}-labels.csv",
        "text/csv; charset=utf-8",
    )


@bp.post("/<name>/labels/file")
@guards.admins_only
def take_in(name: str) -> ResponseReturnValue:
    """A file of labels: first what it changes, then, with the button of that page, the change."""
    sent = request.files.get("file")
    text = (
        sent.read(label_set_files.LARGEST + 1).decode("utf-8", "replace")
        if sent
        else request.form.get("text", "")
    )
    apply = request.form.get("apply") == "yes"
    published = get_registry().published_card(name)
    try:
        planned = label_set_files.take_in(published, text.encode(), who=guards.who(), apply=apply)
    except BadRequestError as error:
        return render_template(
            "labels/label_set_file.html",
            card=get_registry().card(name),
            error=error,
            planned=[],
            text="",
        ), error.status
    if not apply:
        return render_template(
            "labels/label_set_file.html",
            card=get_registry().card(name),
            error=None,
            planned=planned,
            text=text,
        )
    note(f"Saved: {count(len(planned), 'change')}.")
    read_on(name)
    return redirect(url_for(".index", name=name), 303)


def _file(text: str, name: str, kind: str) -> Response:
    response = Response(text, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@bp.post("/<name>/labels/undo")
@guards.admins_only
def undo(name: str) -> ResponseReturnValue:
    """Take back what was saved last about one label."""
    label = request.form.get("label", "")
    try:
        note(
            f"Undone: {count(label_set.undo_last_change(get_registry().published_card(name), label, who=guards.who()), 'change')}."
        )
    except (BadRequestError, NothingToUndoError) as error:
        note(str(error), kind="is-error")
    read_on(name)
    return redirect(
        url_for(
            ".index", name=name, label=label if get_registry().card(name).label(label) else None
        ),
        303,
    )


def _page(name: str, chosen: str, error: Exception | None = None) -> str:
    card = get_registry().card(name)
    text = request.args.get("q", "")[:80]
    label = card.label(chosen) if chosen else None
    if chosen and label is None and error is None:
        raise UnknownLabelError(f"There is no label {chosen[:80]!r} of {name}.")
    changes = label_set.changes(name, chosen if label else None)
    kept = label_set.values_of(as_seen(label)) if label else {}
    return render_template(
        "labels/label_set.html",
        card=card,
        text=text,
        labels=[]
        if label
        else [as_seen(one) for one in cards.labels_like(card, text, getattr(card, "added", ()))],
        former=[] if label else label_merge.former_labels(card),
        number=len(every_label(card)),
        split={reads_as(card, one.split) for one in map(as_seen, every_label(card)) if one.split},
        parts=split_into(card, chosen) if label else [],
        waiting=label_merge.waiting_to_be_sorted(card, chosen) if label else 0,
        reading=rereading.progress(name),
        job=rereading.job_of(name),
        examples=label_search.examples([label]) if label else {},
        label=label,
        published=get_registry().published_card(name).label(chosen) if label else None,
        values=kept | ({kind: request.form.get(kind, "") for kind in KINDS} if error else {}),
        changes=changes if label else changes[:LATEST],
        may_undo=any(not (one.undo or one.undone) for one in changes) if label else False,
        words=label_set.WORDS,
        error=error,
    )
