"""One action on the photos picked in the gallery, or on all that its filter lets through; and what was deleted, to bring it back."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import GalleryFilter
from webapp.errors import BadRequestError, NotAllowedError
from webapp.extensions import (
    get_classifier,
    get_files,
    get_limiter,
    get_registry,
    live_models,
    load_version,
)
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.jobs.types import reclassify as reclassify_job
from webapp.services.labels.relabel import Relabelled, check_label
from webapp.services.photos import bulk as many
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import GRACE, MOST, MOST_RANKED, Selection
from webapp.services.photos.query_filters import NAMES, filter_params, parse_filter
from webapp.storage.labels.events import Stamp
from webapp.views import guards
from webapp.views.flashes import note, note_saved
from webapp.views.jobs import sender
from webapp.views.labels.relabel import live_choice
from webapp.views.layout import model_title, shown_name
from webapp.views.photos.presenters import present_item
from webapp.views.photos.query_filters import OUTCOME_WORDS, filter_tags
from webapp.views.template_filters import count

bp = Blueprint("many", __name__)
ACTIONS = ("label", "confirm", "star", "unstar", "ask", "export", "delete")
SURE_FIRST = ("delete",)
"""Actions that ask once more also for photos that were picked one by one."""


@bp.post("/gallery/many")
@guards.people_only
def change() -> ResponseReturnValue:
    """Do something with many photos. All that match, and deleting, are shown first and come here again with `sure`."""
    back = guards.way_back(url_for("gallery.index"))
    try:
        action, whole = _action(request.form), request.form.get("scope") == "all"
        if action == "export":
            return redirect(
                url_for("export.index", **_exported(_selection(request.form, whole=whole))), 303
            )
        if (whole or action in SURE_FIRST) and not request.form.get("sure"):
            return redirect(url_for(".look", **_parameters(action, whole=whole), next=back), 303)
        selection = _selection(request.form, whole=whole)
        if action in bulk_job.ACTIONS and bulk_job.is_large(selection):
            return redirect(url_for("jobs.one", job_id=_put_in(action, selection)), 303)
        if action == "ask" and whole and many.is_long(selection):
            return redirect(url_for("jobs.one", job_id=_put_in_asking(selection)), 303)
        _do(action, selection)
    except BadRequestError as error:
        note(str(error), kind="is-error")
    return redirect(back, 303)


@bp.get("/gallery/many")
@guards.people_only
def look() -> ResponseReturnValue:
    """What an action would do: how many photos it meets and which the first are, with the button that does it."""
    action, whole = _action(request.args), request.args.get("scope") == "all"
    back = guards.safe_path(request.args.get("next"), url_for("gallery.index"))
    selection = _selection(request.args, whole=whole)
    found = many.forecast(selection)
    most = MOST_RANKED if action == "ask" else MOST
    later = found.photos > most and (action in bulk_job.ACTIONS or (action == "ask" and whole))
    return render_template(
        "photos/bulk.html",
        action=action,
        question=_question(
            action,
            f"more than {count(MOST, 'photo')}" if found.too_many else count(found.photos, "photo"),
            request.args,
        ),
        found=found,
        tiles=[(item, present_item(item)) for item in (history.Item(*row) for row in found.first)],
        most=most,
        later=later,
        too_many=found.photos > most and not later,
        grace=GRACE.days,
        tags=_words(selection) if whole else [],
        hidden=[
            (name, value)
            for name, value in request.args.items(multi=True)
            if name not in ("next", "csrf_token")
        ],
        back=back,
    )


@bp.get("/gallery/deleted")
@guards.admins_only
def deleted() -> ResponseReturnValue:
    """What was deleted and can be brought back."""
    return render_template("photos/deleted.html", waiting=many.waiting(), grace=GRACE.days)


def _do(action: str, selection: Selection) -> None:
    if action == "label":
        label = request.form.get("label", "")
        stamp = Stamp(guards.who(), "gallery")
        note_saved(many.relabel_all(selection, label, live_choice(), stamp), label)
    elif action == "confirm":
        _note_confirmed(many.confirm_all(selection, Stamp(guards.who(), "gallery")))
    elif action in ("star", "unstar"):
        _note_starred(many.star_all(selection, starred=action == "star"), starred=action == "star")
    elif action == "ask":
        _ask(selection)
    else:
        _demand_admin()
        _note_deleted(many.delete_all(selection, who=guards.who(), files=get_files()))


def _put_in(action: str, selection: Selection) -> str:
    """Put in the job for more photos than one waits for; its id."""
    label, cards = (request.form.get("label", ""), live_choice()) if action == "label" else ("", [])
    asked = bulk_job.action_question(
        action, selection.wanted, up_to=selection.up_to, cards=cards, label=label, place="gallery"
    )
    return bulk_job.enqueue(asked, sender()).public_id


def _exported(selection: Selection) -> dict[str, Any]:
    """The parameters of the export page for the picked photos, or for all that match."""
    meant = selection.wanted
    return filter_params(
        GalleryFilter(picked=",".join(selection.ids), model=meant.model, version=meant.version)
        if selection.ids
        else meant
    )


def _ask(selection: Selection) -> None:
    name, version = _asked(request.form)
    live = name in live_models() and get_classifier(name).card.version == version
    classifier = get_classifier(name) if live else load_version(name, version)
    done, trouble = many.rank_all(
        selection, classifier, standing=live, files=get_files(), limiter=get_limiter()
    )
    known = f" {count(done.skipped, 'photo')} it had seen before." if done.skipped else ""
    words = (
        f"{model_title(name)}, version {version}, looked at {count(done.changed, 'photo')}.{known}"
    )
    note(
        f"{words} Then it stopped: {trouble}" if trouble else words,
        kind="is-error" if trouble else "is-ok",
    )


def _put_in_asking(selection: Selection) -> str:
    """Put in the job for more photos than a version looks at while one waits; its id."""
    name, version = _asked(request.form)
    job = reclassify_job.enqueue(get_registry(), name, version, selection, sender())
    return job.public_id


def _asked(form: Any) -> tuple[str, int]:
    """The version that shall look at photos. Raises `BadRequestError`."""
    name, _, version = form.get("asked", "").partition("@")
    if not name or not version.isascii() or not version.isdecimal() or len(version) > 9:
        raise BadRequestError("Choose the version that shall look at these photos.")
    return name, int(version)


def _selection(form: Any, *, whole: bool) -> Selection:
    """The picked photos, or all that match. Raises `BadRequestError` for none."""
    wanted = parse_filter(form)
    if whole:
        text = form.get("up_to", "")
        return Selection(
            wanted=wanted,
            up_to=int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0,
        )
    ids = tuple(dict.fromkeys(form.getlist("ids")))
    if not ids:
        raise BadRequestError(
            "No photo was selected. Select one or more, then press the button again."
        )
    return Selection(ids=ids, wanted=wanted)


def _action(form: Any) -> str:
    """What shall be done. Raises `BadRequestError` or `UnknownLabelError`, and `NotAllowedError` for who may not."""
    action = str(form.get("action", "label"))
    if action not in ACTIONS:
        raise BadRequestError("That is nothing that can be done with photos.")
    if action == "label":
        check_label(form.get("label", ""), live_choice())
    if action == "delete":
        _demand_admin()
    return action


def _demand_admin() -> None:
    somebody = guards.person()
    if somebody is None or not somebody.is_admin:
        raise NotAllowedError("Only an admin may delete photos. Ask one, or log in as one.")


def _parameters(action: str, *, whole: bool) -> dict[str, Any]:
    """The address of the page that asks once more."""
    form = request.form
    chosen = {
        name: form[name]
        for name in ("label", "asked")
        if action == {"label": "label", "asked": "ask"}[name] and form.get(name)
    }
    which = {"scope": "all"} if whole else {"ids": form.getlist("ids")}
    return {
        "action": action,
        **chosen,
        **which,
        **filter_params(parse_filter({name: form[name] for name in NAMES if name in form})),
    }


def _question(action: str, number: str, args: Any) -> tuple[str, str]:
    """The page's one sentence about a number of photos, in two parts: the known, and the rest."""
    if action == "label":
        return f"Mark {number}", f"as {shown_name(args.get('label', ''))}?"
    if action == "ask":
        name, _, version = str(args.get("asked", "")).partition("@")
        return f"Let {model_title(name)}, version {version},", f"look at {number}?"
    words = {
        "confirm": ("Confirm the answers", "of {}?"),
        "star": ("Star", "{}?"),
        "unstar": ("Take the stars", "off {}?"),
        "delete": ("Delete", "{}?"),
    }
    known, rest = words[action]
    return known, rest.format(number)


def _words(selection: Selection) -> list[str]:
    """The filter in words."""
    asked = filter_params(selection.wanted)
    outcome = [OUTCOME_WORDS[asked["outcome"]]] if "outcome" in asked else []
    return outcome + [tag["text"] for tag in filter_tags(asked)]


def _note_confirmed(done: Relabelled) -> None:
    if not done.changed:
        note("Nothing to confirm: the answers named no label, or stood confirmed already.", kind="")
        return
    left = (
        f" {count(done.skipped, 'photo')} had no answer to confirm, or had it confirmed already."
        if done.skipped
        else ""
    )
    note(
        f"Confirmed: the answer is the truth for {count(done.changed, 'photo')}.{left}",
        batch=done.batch,
    )


def _note_starred(done: Relabelled, *, starred: bool) -> None:
    if not done.changed:
        note(
            "These photos had a star already." if starred else "None of these photos had a star.",
            kind="",
        )
        return
    words = (
        "Starred: {}. Nobody deletes them while they have a star."
        if starred
        else "The star is off {}."
    )
    note(words.format(count(done.changed, "photo")), batch=done.batch)


def _note_deleted(done: Relabelled) -> None:
    if not done.changed:
        note("Nothing was deleted: these photos have a star. Take it off first.", kind="is-error")
        return
    left = f" {count(done.skipped, 'photo')} with a star stayed." if done.skipped else ""
    verb = "It goes" if done.changed == 1 else "They go"
    note(
        f"Deleted: {count(done.changed, 'photo')}. {verb} for good in {GRACE.days} days.{left}",
        batch=done.batch,
    )
