"""The label log: every change of a ground truth, who made it, and undoing what a person said."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField

from webapp.domain import UNDO
from webapp.errors import BadRequestError, NothingToUndoError
from webapp.services.labels import log as label_log
from webapp.services.labels.undo import count_undo_person, undo_person
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import LabelEvent
from webapp.views import guards
from webapp.views.flashes import note_undone, noting
from webapp.views.forms import Form
from webapp.views.layout import label_groups, render_page, shown_name

bp = guards.guard(Blueprint("log", __name__, url_prefix="/admin/log"), guards.people_only)
_PLACES = {
    "queue": "in the review",
    "audit": "in an audit",
    "upload": "with the upload",
    "photo": "on the photo’s page",
    "gallery": "in the gallery",
    "merge": "by a merge of labels",
    "undo": "by undo",
    "api": "through the API",
    "cli": "in the terminal",
    "import": "from a file",
    "delete": "when it was deleted",
}
_FILTERS = {  # with what is said of each while it is on
    "who": "By {}",
    "from_label": "Was: {}",
    "to_label": "Said: {}",
    "place": "{}",
    "since": "Since {}",
    "until": "Until {}",
    "disputed": "Reviewers disagree",
    "batch": "Done together",
}


class _UndoPersonForm(Form):
    """Take back what a person said since a time."""

    who = StringField("Person")
    since = StringField("Since (UTC)")


@bp.get("")
def index() -> ResponseReturnValue:
    """Every change of a ground truth, newest first; what was done together stands together."""
    asked = {name: text for name in _FILTERS if (text := request.args.get(name, "").strip())}
    text, error = request.args.get("before", ""), None
    if text and (not text.isdecimal() or len(text) > 18):
        raise BadRequestError(
            "The page number of the log makes no sense. Start again from the newest entries."
        )
    try:
        wanted = label_log.parse_filter(asked)
        events, following = label_log.page_of_log(wanted, before=int(text) if text else None)
    except BadRequestError as trouble:
        events, following, error = [], None, trouble
    return render_page(
        "labels/log.html",
        error,
        entries=_entries(events, by_batch="batch" not in asked),
        following=following,
        origins=_PLACES,
        older=bool(text),
        asked=asked,
        tags=_tags(asked),
        people=label_log.people_in_the_log(),
        groups=label_groups(),
    )


@bp.route("/undo", methods=["GET", "POST"])
@guards.admins_only
def undo() -> ResponseReturnValue:
    """How much would be taken back of what a person said since a time; the form takes it back."""
    form = _UndoPersonForm(request.values)
    name, since = form.who.data, form.since.data
    if request.method == "POST":
        with noting(NothingToUndoError):
            stamp = Stamp(guards.who(), UNDO)
            note_undone(undo_person(name, label_log.parse_moment(since), stamp))
        return redirect(url_for(".index"), 303)
    moment = label_log.parse_moment(since) if since else None
    return render_template(
        "labels/undo_person.html",
        name=name,
        since=since or f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        moment=moment,
        people=label_log.people_in_the_log(),
        would=count_undo_person(name, moment) if name and moment else None,
    )


def _tags(asked: dict[str, str]) -> list[dict[str, Any]]:
    """The filters that are on, each with the address of the log without it."""
    tags = []
    for name, value in asked.items():
        shown = shown_name(value) if name.endswith("_label") else _PLACES.get(value, value)
        text = _FILTERS[name].format(shown)
        without: dict[str, Any] = {other: asked[other] for other in asked if other != name}
        tags.append({"text": text[:1].upper() + text[1:], "url": url_for(".index", **without)})
    return tags


def _entries(events: Iterable[LabelEvent], *, by_batch: bool) -> list[dict[str, Any]]:
    """Events as entries of the log, neighbours of one batch together with `by_batch`."""
    if not by_batch:
        return [{"events": [event], "batch": "", "standing": not event.undone} for event in events]
    entries = []
    for batch, group in groupby(events, key=lambda event: event.batch):
        members = list(group)
        standing = any(not event.undone and event.photo is not None for event in members)
        entries.append({"batch": batch, "events": members, "standing": standing})
    return entries
