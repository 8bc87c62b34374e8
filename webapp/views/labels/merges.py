"""Merging a label into another one and splitting it: a form, what it touches, and the button."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, MarqueError, UnknownLabelError
from webapp.extensions import get_registry
from webapp.inference.models.label_set import every_label
from webapp.services.jobs.types import remap as remap_job
from webapp.services.labels import merges
from webapp.services.labels.remap import Editor
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.guards import sender
from webapp.views.labels.forms import MergeForm, SplitForm
from webapp.views.template_filters import count

bp = Blueprint("label_merges", __name__, url_prefix="/models")


@bp.get("/<name>/labels/merge")
@guards.admins_only
def merge_form(name: str) -> ResponseReturnValue:
    """Which label into which; with both what that touches."""
    return _merge_page(name, MergeForm(request.args))


@bp.post("/<name>/labels/merge")
@guards.admins_only
def merge(name: str) -> ResponseReturnValue:
    """Merge one label into another one."""
    form = MergeForm()
    label, into = form.label.data or "", form.into.data or ""
    published = get_registry().published_card(name)
    try:
        form.check()
        merges.merge_label(published, label, into, editor(), form.why.data or "")
    except (BadRequestError, UnknownLabelError) as error:
        return _merge_page(name, form, error), error.status
    note(f"{display(published, label)} reads as {display(published, into)} now.")
    return redirect(url_for("label_sets.index", name=name, label=label), 303)


@bp.get("/<name>/labels/split")
@guards.admins_only
def split_form(name: str) -> ResponseReturnValue:
    """The label and its new ones; with these what that touches."""
    return _split_page(name, SplitForm(request.args))


@bp.post("/<name>/labels/split")
@guards.admins_only
def split(name: str) -> ResponseReturnValue:
    """Let people choose among new labels instead of one."""
    form = SplitForm()
    label, names = form.label.data or "", (form.names.data or "").splitlines()
    published = get_registry().published_card(name)
    try:
        form.check()
        new = merges.split_label(published, label, names, editor(), form.why.data or "")
    except (BadRequestError, UnknownLabelError) as error:
        return _split_page(name, form, error), error.status
    note(f"{display(published, label)} is split into {count(len(new), 'label')}.")
    return redirect(url_for("label_sets.index", name=name, label=label), 303)


@bp.post("/<name>/labels/reread")
@guards.admins_only
def reread(name: str) -> ResponseReturnValue:
    """Go on with a job that was stopped, or bring photos and answers up to date in a new one."""
    get_registry().published_card(name)
    remap_job.go_on(name, sender())
    return redirect(url_for("label_sets.index", name=name), 303)


def editor() -> Editor:
    """Who is here, as somebody who edits label sets."""
    return remap_job.editor(get_registry(), sender())


def _merge_page(name: str, form: MergeForm, error: MarqueError | None = None) -> str:
    card, touched = get_registry().card(name), None
    label, into = form.label.data or "", form.into.data or ""
    if into and error is None:
        try:
            touched = merges.preview_merge(get_registry().published_card(name), label, into)
        except (BadRequestError, UnknownLabelError) as trouble:
            error = trouble
    return render_template(
        "labels/merge.html",
        card=card,
        label=label,
        into=into,
        labels=sorted(every_label(card), key=lambda entry: entry.display.casefold()),
        touched=touched,
        error=error,
    )


def _split_page(name: str, form: SplitForm, error: MarqueError | None = None) -> str:
    card, touched = get_registry().card(name), None
    label, names = form.label.data or "", form.names.data or ""
    new = merges.tidy_names(names.splitlines())
    if new and error is None:
        try:
            touched = merges.preview_split(get_registry().published_card(name), label, new)
        except (BadRequestError, UnknownLabelError) as trouble:
            error = trouble
    return render_template(
        "labels/split.html",
        card=card,
        label=label,
        names=names,
        new=new,
        touched=touched,
        error=error,
    )
