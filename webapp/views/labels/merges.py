"""Merging a label into another one and splitting it: a form, a look at what it touches, and the button; and reading on after it."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, MarqueError, UnknownLabelError
from webapp.extensions import get_registry
from webapp.inference.models.label_set import every_label
from webapp.services.labels import merges as label_merge
from webapp.services.labels import remapping as rereading
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.jobs import sender
from webapp.views.template_filters import count

bp = Blueprint("label_merge", __name__, url_prefix="/models")


@bp.get("/<name>/labels/merge")
@guards.admins_only
def merge_form(name: str) -> ResponseReturnValue:
    """Which label into which; with both what that touches."""
    label, into = request.args.get("label", ""), request.args.get("into", "")
    return _page("labels/merge.html", name, label, into=into, ready=bool(into))


@bp.post("/<name>/labels/merge")
@guards.admins_only
def merge(name: str) -> ResponseReturnValue:
    """Let one label read as another from now on."""
    label, into, why = (request.form.get(key, "") for key in ("label", "into", "why"))
    try:
        label_merge.merge_label(
            get_registry().published_card(name), label, into, who=guards.who(), why=why
        )
    except (BadRequestError, UnknownLabelError) as error:
        return _page("labels/merge.html", name, label, into=into, error=error), error.status
    note(f"{_named(name, label)} reads as {_named(name, into)} now.")
    read_on(name)
    return redirect(url_for("label_set.index", name=name, label=label), 303)


@bp.get("/<name>/labels/split")
@guards.admins_only
def split_form(name: str) -> ResponseReturnValue:
    """The label and its new ones; with these what that touches."""
    names = request.args.get("names", "")
    return _page(
        "labels/split.html",
        name,
        request.args.get("label", ""),
        names=names,
        ready=bool(names.strip()),
    )


@bp.post("/<name>/labels/split")
@guards.admins_only
def split(name: str) -> ResponseReturnValue:
    """Let people choose among new labels instead of one."""
    label, names, why = (request.form.get(key, "") for key in ("label", "names", "why"))
    try:
        new = label_merge.split_label(
            get_registry().published_card(name),
            label,
            names.splitlines(),
            who=guards.who(),
            why=why,
        )
    except (BadRequestError, UnknownLabelError) as error:
        return _page("labels/split.html", name, label, names=names, error=error), error.status
    note(f"{_named(name, label)} is split into {count(len(new), 'label')}.")
    read_on(name)
    return redirect(url_for("label_set.index", name=name, label=label), 303)


@bp.post("/<name>/labels/reread")
@guards.admins_only
def reread(name: str) -> ResponseReturnValue:
    """Read on after a merge or a split, when that was interrupted."""
    get_registry().published_card(name)
    read_on(name)
    return redirect(url_for("label_set.index", name=name), 303)


def read_on(name: str) -> None:
    """Read photos and answers again: for a moment here, and the rest as a job. Every page of labels says how far it is."""
    rereading.go_on_beside(get_registry(), name, sender())


def _named(name: str, label: str) -> str:
    return display(get_registry().published_card(name), label)


def _page(
    template: str,
    name: str,
    label: str,
    *,
    error: MarqueError | None = None,
    ready: bool = False,
    **kept: str,
) -> str:
    """The form, with what it would touch when all is given and makes sense."""
    card, published = get_registry().card(name), get_registry().published_card(name)
    touched = None
    if ready and error is None:
        try:
            if "into" in kept:
                touched = label_merge.preview_merge(published, label, kept["into"])
            else:
                touched = label_merge.preview_split(published, label, kept["names"].splitlines())
        except (BadRequestError, UnknownLabelError) as trouble:
            error = trouble
    labels = sorted(every_label(card), key=lambda one: one.display.casefold())
    new = label_merge.tidy_names(kept.get("names", "").splitlines())
    return render_template(
        template,
        card=card,
        label=label,
        labels=labels,
        touched=touched,
        error=error,
        new=new,
        **kept,
    )
