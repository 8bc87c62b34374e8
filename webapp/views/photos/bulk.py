"""One action on the photos picked in the gallery, or on all that its filter lets through; and the
page of deleted photos."""

import re
from functools import partial
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField, ValidationError
from wtforms.validators import AnyOf

from webapp.domain import ALL_MODELS
from webapp.errors import BadRequestError, InvalidFormError, NotAllowedError
from webapp.extensions import (
    get_classifier,
    get_extensions,
    get_files,
    get_limiter,
    get_pipeline,
    get_registry,
    load_version,
)
from webapp.gallery_filter import GalleryFilter, filter_params
from webapp.services.cars.look_again import look_again
from webapp.services.jobs.queue import Job
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.jobs.types import detect as detect_job
from webapp.services.jobs.types import reclassify as reclassify_job
from webapp.services.labels.relabel import Relabelled, check_label
from webapp.services.photos import bulk
from webapp.services.photos.bulk import MOST, MOST_RANKED, Change, Looked, Selection
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.services.photos.deletion import GRACE
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.bulk import deleted_batches
from webapp.views import guards
from webapp.views.flashes import note, note_saved, noting
from webapp.views.forms import Form
from webapp.views.labels.relabel import live_choice
from webapp.views.layout import model_title
from webapp.views.photos.presenters import present_photo
from webapp.views.photos.query_filters import filter_texts, read_filter
from webapp.views.template_filters import count

bp = guards.guard(Blueprint("bulk", __name__), guards.people_only)
_ACTIONS = ("label", "confirm", "star", "unstar", "ask", "detect", "export", "delete")
_LOOKS = ("ask", "detect")  # a version looks at each photo, which takes a moment
# What an action did, what is said when it changed nothing, and of the photos that it left alone.
_DONE = {
    "confirm": (
        "Confirmed: the answer is the truth for {}.",
        "Nothing to confirm: the answers named no label, or stood confirmed already.",
        "{} had no answer to confirm, or had it confirmed already.",
    ),
    "star": (
        "Starred: {}. Nobody deletes them while they have a star.",
        "These photos had a star already.",
        "",
    ),
    "unstar": ("The star is off {}.", "None of these photos had a star.", ""),
    "delete": (
        f"Deleted: {{}}. Gone for good in {GRACE.days} days.",
        "Nothing was deleted: these photos have a star. Take it off first.",
        "{} with a star stayed.",
    ),
}


class BulkForm(Form):
    """What to do with which photos; the gallery's filters come with it."""

    action = StringField(
        default="label",
        validators=[AnyOf(_ACTIONS, "That is nothing that can be done with photos.")],
    )
    label = StringField("Really is", id="bulk-label")
    asked = SelectField("Look again", id="bulk-asked", validate_choice=False)
    scope = StringField()  # "all": every photo that the filter lets through
    up_to = StringField()  # the number of the newest photo that is meant
    sure = StringField()

    def validate_asked(self, field: Any) -> None:
        """The version that looks, as NAME@VERSION."""
        if self.action.data == "ask" and not re.fullmatch(r"[^@]+@[0-9]{1,9}", field.data or ""):
            raise ValidationError("Choose the version that shall look at these photos.")

    @property
    def version(self) -> tuple[str, int]:
        """The version that looks."""
        name, _, version = self.asked.data.partition("@")
        return name, int(version)

    def selection(self) -> Selection:
        """The picked photos, or all that match. Raises `BadRequestError` for none."""
        wanted = read_filter(request.values)
        if self.scope.data == "all":
            up_to = self.up_to.data
            is_number = re.fullmatch(r"[0-9]{1,18}", up_to)
            return Selection(wanted=wanted, up_to=int(up_to) if is_number else 0)
        ids = tuple(dict.fromkeys(request.values.getlist("ids")))
        if not ids:
            raise BadRequestError(bulk.NOTHING_SELECTED)
        return Selection(ids=ids, wanted=wanted)

    def check(self) -> None:
        """Raises `InvalidFormError`, `UnknownLabelError`, or `NotAllowedError` for admins'
        actions."""
        super().check()
        if self.action.data == "label":
            check_label(self.label.data, live_choice())
        if self.action.data == "delete" and not guards.is_admin():
            raise NotAllowedError("Only an admin may delete photos. Ask one, or log in as one.")
        if self.action.data == "detect" and get_extensions().detector() is None:
            raise BadRequestError("No detector is live, so nothing can look for cars.")


@bp.post("/gallery/many")
def change() -> ResponseReturnValue:
    """Do something with photos. All that match, and deleting, come here again with `sure`."""
    back, form = guards.way_back(url_for("gallery.index")), BulkForm()
    with noting(BadRequestError, InvalidFormError):
        form.check()
        selection = form.selection()
        action = form.action.data
        if action == "export":
            return redirect(url_for("export.index", **_export_params(selection)), 303)
        if (not selection.ids or action == "delete") and not form.sure.data:
            return redirect(url_for(".preview", **_preview_params(form, selection), next=back), 303)
        if job := _enqueue(form, selection):
            return guards.to_job(job)
        _do(form, selection)
    return redirect(back, 303)


@bp.get("/gallery/many")
def preview() -> ResponseReturnValue:
    """How many photos an action meets and which the first are, with the button that does it."""
    form = BulkForm(request.args, meta={"csrf": False})
    form.check()
    action, selection = form.action.data, form.selection()
    forecast = bulk.forecast(selection)
    most = MOST_RANKED if action in _LOOKS else MOST
    by_job = forecast.photos > most and (
        action in bulk.ACTIONS or (action in _LOOKS and not selection.ids)
    )
    number = count(min(forecast.photos, MOST), "photo")
    return render_template(
        "photos/bulk.html",
        form=form,
        action=action,
        number=f"more than {number}" if forecast.photos > MOST else number,
        forecast=forecast,
        tiles=[(photo, present_photo(photo)) for photo in forecast.first],
        most=most,
        by_job=by_job,
        too_many=forecast.photos > most and not by_job,
        grace=GRACE.days,
        tags=[] if selection.ids else filter_texts(filter_params(selection.wanted)),
        hidden=[
            (name, value)
            for name, value in request.args.items(multi=True)
            if name not in ("next", "csrf_token")
        ],
        back=guards.safe_path(request.args.get("next"), url_for("gallery.index")),
    )


@bp.get("/gallery/deleted")
@guards.admins_only
def deleted() -> ResponseReturnValue:
    """What was deleted and can be brought back."""
    return render_template("photos/deleted.html", deletions=deleted_batches(), grace=GRACE)


def _do(form: BulkForm, selection: Selection) -> None:
    action, stamp = form.action.data, Stamp(guards.who(), "gallery")
    if action == "ask":
        _ask(form.version, selection)
    elif action == "detect":
        look = partial(look_again, pipeline=get_pipeline(ALL_MODELS))
        _note_looked("The detector", bulk.look_at_all(selection, look))
    elif action == "delete":
        _note_done(action, bulk.delete_all(selection, stamp, get_files()))
    else:
        change = _change(form, selection)
        done = bulk.change_all(selection, change, stamp)
        if action == "label":
            note_saved(done, form.label.data, live_choice())
        else:
            _note_done(action, done)


def _change(form: BulkForm, selection: Selection) -> Change:
    action, wanted = form.action.data, selection.wanted
    cards = live_choice() if action == "label" else []
    return bulk.make_change(action, wanted, form.label.data or "", cards)


def _ask(version: tuple[str, int], selection: Selection) -> None:
    name, number = version
    live = name in get_extensions().live_models() and get_classifier(name).card.version == number
    classifier = get_classifier(name) if live else load_version(name, number)
    detector = get_extensions().detector()
    pipeline = Pipeline([classifier], get_files(), get_limiter(), detector)
    look = partial(ask_models, pipeline=pipeline, standing=live)
    looked = bulk.look_at_all(selection, look)
    _note_looked(f"{model_title(name)}, version {number},", looked)


def _note_looked(who: str, done: Looked) -> None:
    words = f"{who} looked at {count(done.looked, 'photo')}."
    if done.seen:
        words += f" {count(done.seen, 'photo')} it had seen before."
    if done.gone:
        words += f" {count(done.gone, 'photo')} could not be looked at: deleted meanwhile, or the "
        words += "file is damaged."
    if done.trouble:
        words += f" Then it stopped: {done.trouble}"
    note(words, kind="is-error" if done.trouble or done.gone else "is-ok")


def _note_done(action: str, done: Relabelled) -> None:
    words, nothing, left = _DONE[action]
    if not done.changed:
        note(nothing, kind="is-error" if action == "delete" else "")
        return
    text = words.format(count(done.changed, "photo"))
    if left and done.skipped:
        text += " " + left.format(count(done.skipped, "photo"))
    note(text, batch=done.batch)


def _enqueue(form: BulkForm, selection: Selection) -> Job | None:
    """A new job when the photos are more than one waits for, else None."""
    action = form.action.data
    if action in bulk.ACTIONS and bulk.is_large(selection, MOST):
        change, stamp = _change(form, selection), Stamp(guards.who(), "gallery")
        params = bulk_job.action_params(change, stamp, selection.up_to)
        return bulk_job.enqueue(params, guards.sender())
    if action == "ask" and bulk.is_large(selection, MOST_RANKED):
        return reclassify_job.enqueue(get_registry(), *form.version, selection, guards.sender())
    if action == "detect" and bulk.is_large(selection, MOST_RANKED):
        return detect_job.enqueue(get_extensions().detector(), selection, guards.sender())
    return None


def _export_params(selection: Selection) -> dict[str, Any]:
    """The parameters of the export page for the picked photos, or for all that match."""
    wanted = selection.wanted
    if selection.ids:
        picked = GalleryFilter(picked=",".join(selection.ids))
        wanted = picked.replace(model=wanted.model, version=wanted.version)
    return dict(filter_params(wanted))


def _preview_params(form: BulkForm, selection: Selection) -> dict[str, Any]:
    """The parameters of the page that asks once more."""
    action = form.action.data
    return {
        "action": action,
        "label": form.label.data if action == "label" else None,
        "asked": form.asked.data if action == "ask" else None,
        **({"ids": selection.ids} if selection.ids else {"scope": "all"}),
        **filter_params(selection.wanted),
    }
