"""Adding a label, merging one into another one and splitting one: a form, what it touches, and the
button."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, StringField, TextAreaField

from webapp.errors import BadRequestError, UnknownLabelError
from webapp.extensions import get_registry
from webapp.inference.models.label_set import every_label
from webapp.services.jobs.types import remap as remap_job
from webapp.services.labels import merges
from webapp.services.labels.remap import Editor
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note, noting
from webapp.views.forms import Form
from webapp.views.template_filters import count

bp = guards.guard(Blueprint("label_merges", __name__, url_prefix="/models"), guards.admins_only)


class _EditForm(Form):
    """Add a label, merge one into another one, or split it into new ones."""

    label = HiddenField()
    into = StringField("Merge into")
    names = TextAreaField("New labels, one on each line")
    why = StringField("Why (not needed, but kept)")


@bp.post("/<name>/labels/add")
def add(name: str) -> ResponseReturnValue:
    """Add a label that no version knows yet."""
    form, published = _EditForm(), get_registry().published_card(name)
    with noting(BadRequestError):
        new = merges.add_label(published, form.label.data, guards.who(), form.why.data)
        note(f"{new} may be given from now on. The next training learns it.")
    return redirect(url_for("label_sets.index", name=name), 303)


@bp.route("/<name>/labels/merge", methods=["GET", "POST"])
def merge(name: str) -> ResponseReturnValue:
    """Which label into which, and with both what that touches; the form merges them."""
    form, published = _EditForm(request.values), get_registry().published_card(name)
    label, into = form.label.data, form.into.data
    touched, error = None, None
    try:
        if request.method == "POST":
            merges.merge_label(published, label, into, editor(), form.why.data)
            note(f"{display(published, label)} reads as {display(published, into)} now.")
            return redirect(url_for("label_sets.index", name=name, label=label), 303)
        if into:
            touched = merges.preview_merge(published, label, into)
    except (BadRequestError, UnknownLabelError) as refused:
        error = refused
    card = get_registry().card(name)
    page = render_template(
        "labels/merge.html",
        card=card,
        label=label,
        into=into,
        labels=sorted(every_label(card), key=lambda entry: entry.display.casefold()),
        touched=touched,
        error=error,
    )
    return page, error.status if error and request.method == "POST" else 200


@bp.route("/<name>/labels/split", methods=["GET", "POST"])
def split(name: str) -> ResponseReturnValue:
    """The label and its new ones, and with these what that touches; the form lets people choose
    among the new labels instead of the one."""
    form, published = _EditForm(request.values), get_registry().published_card(name)
    label, names = form.label.data, form.names.data
    new = merges.tidy_names(names.splitlines())
    touched, error = None, None
    try:
        if request.method == "POST":
            merges.split_label(published, label, new, editor(), form.why.data)
            note(f"{display(published, label)} is split into {count(len(new), 'label')}.")
            return redirect(url_for("label_sets.index", name=name, label=label), 303)
        if new:
            touched = merges.preview_split(published, label, new)
    except (BadRequestError, UnknownLabelError) as refused:
        error = refused
    page = render_template(
        "labels/split.html",
        card=get_registry().card(name),
        label=label,
        names=names,
        new=new,
        touched=touched,
        error=error,
    )
    return page, error.status if error and request.method == "POST" else 200


@bp.post("/<name>/labels/reread")
def reread(name: str) -> ResponseReturnValue:
    """Go on with a job that was stopped, or bring photos and answers up to date in a new one."""
    get_registry().published_card(name)
    remap_job.go_on(name, guards.sender())
    return redirect(url_for("label_sets.index", name=name), 303)


def editor() -> Editor:
    """Who is here, as somebody who edits label sets."""
    return remap_job.editor(get_registry(), guards.sender())
