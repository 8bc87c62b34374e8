"""The labels of a model as people see them, a form for one, and what was changed, to undo it."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import HiddenField, StringField, TextAreaField

from webapp.errors import BadRequestError, MarqueError, NothingToUndoError, UnknownLabelError
from webapp.extensions import get_registry
from webapp.http.responses import text_file
from webapp.inference.models.label_set import (
    KINDS,
    CurrentCard,
    all_labels,
    as_current,
    parts_by_label,
)
from webapp.services.jobs.types import remap as remap_job
from webapp.services.labels import label_set_files, label_sets, merges, search
from webapp.services.models import cards
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note, noting
from webapp.views.forms import Form
from webapp.views.labels.merges import editor
from webapp.views.layout import render_page
from webapp.views.template_filters import count

bp = guards.guard(Blueprint("label_sets", __name__, url_prefix="/models"), guards.admins_only)
_LATEST = 50  # changes on the page of a model; a label's own page has all of its own


class _LabelForm(Form):
    """How people see one label: a field for each kind of edit. An undo sends the label only."""

    label = HiddenField()
    name = StringField("Name")
    parent = StringField("Parent")
    aliases = TextAreaField("Aliases, one on each line")
    color = StringField("Colour")
    key = StringField("Key in the review")
    photo = StringField("Reference photo")
    retired = StringField("Retired")
    why = StringField("Why (not needed, but kept)")


class _FileForm(Form):
    """A label set as a file, then its text with the button that saves it."""

    file = FileField("Take in such a file")
    text = TextAreaField()
    apply = HiddenField()

    def content(self, most: int) -> bytes:
        """What was sent, in UTF-8, at most `most` bytes of a file."""
        if self.file.data:
            return self.file.data.read(most).decode("utf-8", "replace").encode()
        return self.text.data.encode()


@bp.get("/<name>/labels")
def index(name: str) -> ResponseReturnValue:
    """Every label of the live version; with `?label=` the form for one."""
    label = request.args.get("label", "")
    return _label_page(name, label) if label else _list_page(name)


@bp.post("/<name>/labels")
def change(name: str) -> ResponseReturnValue:
    """Save how people see one label."""
    form, published = _LabelForm(), get_registry().published_card(name)
    label, values = form.label.data, {kind: form[kind].data for kind in KINDS}
    why = form.why.data
    try:
        changed = label_sets.change_label(published, label, values, who=guards.who(), why=why)
    except (BadRequestError, UnknownLabelError) as error:
        return _label_page(name, label, error, values)
    if changed:
        note(f"Saved: {count(changed, 'change')}.")
    else:
        note("Nothing was different, so nothing was saved.", kind="")
    return redirect(url_for(".index", name=name, label=label), 303)


@bp.post("/<name>/labels/photo")
def picture(name: str) -> ResponseReturnValue:
    """Make a photo the reference photo of its label, from the photo's page."""
    form, published = _LabelForm(), get_registry().published_card(name)
    label, values = form.label.data, {"photo": form.photo.data}
    with noting(BadRequestError, UnknownLabelError):
        label_sets.change_label(published, label, values, who=guards.who())
        shown = display(get_registry().card(name), label)
        note("It is the reference photo now:", strong=f"{shown}.")
    return redirect(guards.way_back(url_for(".index", name=name)), 303)


@bp.get("/<name>/labels.json")
def as_json(name: str) -> ResponseReturnValue:
    """The label set as JSON."""
    text = label_set_files.to_json(get_registry().card(name))
    return text_file(text, f"{name}-labels.json", "application/json")


@bp.get("/<name>/labels.csv")
def as_csv(name: str) -> ResponseReturnValue:
    """The label set as a table."""
    text = label_set_files.to_table(get_registry().card(name))
    return text_file(text, f"{name}-labels.csv")


@bp.post("/<name>/labels/file")
def import_file(name: str) -> ResponseReturnValue:
    """A file of labels: first what it changes, then, with the button of that page, the change."""
    form, published = _FileForm(), get_registry().published_card(name)
    content, apply = form.content(label_set_files.LARGEST + 1), form.apply.data == "yes"
    try:
        changes = label_set_files.import_file(published, content, editor(), apply=apply)
    except BadRequestError as error:
        return render_page("labels/label_set_file.html", error, card=get_registry().card(name))
    if apply:
        note(f"Saved: {count(len(changes), 'change')}.")
        return redirect(url_for(".index", name=name), 303)
    return render_page(
        "labels/label_set_file.html",
        card=get_registry().card(name),
        planned=changes,
        text=content.decode(),
    )


@bp.post("/<name>/labels/undo")
def undo(name: str) -> ResponseReturnValue:
    """Take back what was saved last about one label."""
    form, published = _LabelForm(), get_registry().published_card(name)
    label = form.label.data
    with noting(BadRequestError, NothingToUndoError):
        undone = label_sets.undo_last_change(published, label, editor())
        note(f"Undone: {count(undone, 'change')}.")
    known = get_registry().card(name).label(label)
    return redirect(url_for(".index", name=name, label=label if known else None), 303)


def _list_page(name: str, error: MarqueError | None = None) -> ResponseReturnValue:
    card, text = get_registry().card(name), request.args.get("q", "")[:80]
    changes = label_sets.changes(name)
    return _page(
        name,
        error,
        changes=changes[:_LATEST],
        text=text,
        labels=cards.labels_like(all_labels(card), text),
        former=merges.former_labels(card),
        split=parts_by_label(card),
        added=card.added if isinstance(card, CurrentCard) else (),
    )


def _label_page(
    name: str, chosen: str, error: MarqueError | None = None, values: dict[str, str] | None = None
) -> ResponseReturnValue:
    """The form for one label; after an error with the values that were sent."""
    card = get_registry().card(name)
    if error is not None and card.label(chosen) is None:
        return _list_page(name, error)
    label = as_current(label_sets.find_label(card, chosen))
    changes = label_sets.changes(name, chosen)
    return _page(
        name,
        error,
        changes=changes,
        label=label,
        parts=parts_by_label(card).get(chosen, []),
        waiting=merges.waiting_to_be_sorted(card, chosen),
        examples=search.examples([label]),
        published=get_registry().published_card(name).label(chosen),
        values=values or label_sets.values_of(label),
        may_undo=any(not (change.undo or change.undone) for change in changes),
    )


def _page(name: str, error: MarqueError | None, **about: object) -> ResponseReturnValue:
    card, job = get_registry().card(name), remap_job.latest_job(name)
    return render_page(
        "labels/label_set.html",
        error,
        card=card,
        number=sum(not label.merged for label in all_labels(card)),
        job=job if job and job.state != "succeeded" else None,
        kind_names=label_sets.KIND_NAMES,
        **about,
    )
