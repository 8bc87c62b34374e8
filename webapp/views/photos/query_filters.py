"""The gallery's filters on pages: their form, their words, and the tags that take one off."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from flask import url_for
from werkzeug.datastructures import MultiDict
from wtforms import Field, SelectField, StringField
from wtforms.widgets import DateInput

from webapp.domain import UNCLASSIFIED, VISITORS
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter, caption_of, choices_of, parse_filter, without
from webapp.services.photos.filters import check_model
from webapp.views.forms import Form
from webapp.views.layout import (
    label_groups,
    model_choices,
    model_title,
    parent_groups,
    shown_name,
)
from webapp.views.template_filters import count

TABS = ("correct", "wrong", "unclassified", "unlabelled", "unusable", "no-car")
_SOURCES = {"upload": "This site", "api": "The API", "cli": "The terminal"}
_TAGGED = (
    ("model", "version"),
    ("predicted",),
    ("decision",),
    ("parent",),
    ("ground_truth",),
    ("from", "to"),
    ("margin_from", "margin_to"),
    ("since", "until"),
    *((name,) for name in ("filename", "uploader", "source", "batch", "labelled", "like", "cars")),
    *((name,) for name in ("compared", "picked", "duplicates", "starred", "audited", "checked")),
    ("learnt",),
)  # parameters that have a tag together


def read_filter(params: Mapping[str, str]) -> GalleryFilter:
    """The filter that the parameters of a URL say. Raises `BadRequestError`, see `parse_filter`,
    or `ModelNotFoundError`."""
    wanted = parse_filter(params)
    check_model(wanted, get_registry())
    return wanted


# ---- the form ----


def _text(parameter: str, **options: object) -> Field:
    title = caption_of(parameter).title
    return StringField(title, name=parameter, id=f"filter-{parameter}", **options)


def _select(parameter: str, off: str = "") -> Field:
    choices = ({"": off} if off else {}) | dict(choices_of(parameter))
    title, id = caption_of(parameter).title, f"filter-{parameter}"
    return SelectField(title, name=parameter, id=id, choices=choices, validate_choice=False)


class FilterForm(Form):
    """The filters of the gallery as they were typed: `parse_filter` checks them."""

    model = _select("model")
    decision = _text("decision")  # these two are chosen among `answers` and `truths`
    parent = _select("parent", "Any")
    ground_truth = _text("ground_truth")
    cars = _select("cars", "Any")
    from_percent = _text("from")
    to = _text("to")
    sort = _select("sort")
    filename = _text("filename")
    since = _text("since", widget=DateInput())
    until = _text("until", widget=DateInput())
    margin_from = _text("margin_from")
    margin_to = _text("margin_to")
    uploader = _select("uploader")
    source = _select("source")
    duplicates = _select("duplicates", "Any")
    starred = _select("starred", "Any")
    audited = _select("audited", "Any")
    checked = _select("checked", "Any")
    trained_on = _select("learnt", "Any")

    def __init__(self, asked: Mapping[str, str], people: list[str], error: object) -> None:
        super().__init__(MultiDict(asked), meta={"csrf": False})  # it changes nothing
        model, version = asked.get("model", ""), asked.get("version", "")
        self.model.data = f"{model}@{version}" if model and version else model
        versions = _versions(also=self.model.data)
        several = len({choice.partition("@")[0] for choice in versions}) > 1
        self.model.choices = {"": "Any model" if several else "Any version"} | versions
        self.truths = label_groups(model)
        self.answers = [*self.truths[:-1], *parent_groups(model)]
        self.answers.append(("", "", [(UNCLASSIFIED, "Not sure")]))
        parents = sorted({name for *_, names in parent_groups(model) for name in names})
        self.parent.choices = {"": "Any"} | dict(parents)
        if not parents and not self.parent.data:
            del self.parent
        self.source.choices = {"": "Anything"} | _SOURCES
        senders = {VISITORS: "Without a login"} | dict(zip(people, people, strict=True))
        self.uploader.choices = {"": "Anybody"} | senders
        if len(versions) < 2:
            del self.model
        if not people:
            del self.uploader
        subject = str(error or "").split(" ")[0]
        for field in self:
            if subject in (field.name, field.label.text):
                field.render_kw = {"aria-invalid": "true", "aria-describedby": "trouble"}

    @property
    def more_in_use(self) -> bool:
        """True when one of the filters under "More filters" is on."""
        fields = list(self)
        return any(field.data for field in fields[fields.index(self.filename) + 1 :])

    def hidden(self, asked: Mapping[str, str]) -> dict[str, str]:
        """The parameters that are on and have no field here."""
        kept = without(asked, "outcome") if asked.get("sort") == "most-wrong" else asked
        shown = {"version", *(field.name for field in self)}
        return {name: value for name, value in kept.items() if name not in shown}


def version_choices(name: str, title: str) -> dict[str, str]:
    """The versions of a model, as NAME@VERSION, with their words; the newest first."""
    versions = reversed(get_registry().versions(name))
    return {f"{name}@{number}": f"{title}, version {number}" for number in versions}


def _versions(also: str) -> dict[str, str]:
    """The live models, each followed by its versions when there are several; then `also`."""
    choices: dict[str, str] = {}
    for name, title in model_choices():
        versions = version_choices(name, title)
        choices |= {name: title} | (versions if len(versions) > 1 else {})
    return choices if not also or also in choices else choices | {also: _model_text(also)}


# ---- words and tags ----


def filter_tags(asked: dict[str, Any]) -> list[dict[str, str]]:
    """The filters that are on, in words, each with the address of the gallery without it. The
    outcome has tabs and the order a field of its own."""
    return [
        {"text": text, "url": url_for("gallery.index", **dict(asked, **dict.fromkeys(names)))}
        for names, text in _parts(asked)
    ]


def filter_texts(asked: Mapping[str, str]) -> list[str]:
    """The filters that are on, in words."""
    outcome = choices_of("outcome").get(asked.get("outcome", ""))
    return ([outcome] if outcome else []) + [text for _names, text in _parts(asked)]


def _parts(asked: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    for names in _TAGGED:
        values = [asked.get(name, "") for name in names]
        if any(values):
            yield names, _tag(names[0], values[0], values[-1])


def _tag(name: str, value: str, other: str) -> str:
    """The words of one filter; `other` is the end of a range, or the version of a model."""
    match name:
        case "from":
            return _range(value, other)
        case "margin_from":
            return f"Margin {_range(value, other)}"
        case "since":
            return _days(value, other)
        case "uploader" if value == VISITORS:
            return "Sent without a login"
        case "picked":
            return f"{count(len(value.split(',')), 'photo')} picked by hand"
        case "model":
            value = _model_text(f"{value}@{other}" if other else value)
        case "predicted" | "decision" | "ground_truth":
            value = shown_name(value)
        case "source":
            value = _SOURCES.get(value, value).casefold()
    return caption_of(name).tag.format(choices_of(name).get(value, value))


def _model_text(choice: str) -> str:
    name, _, version = choice.partition("@")
    return f"{model_title(name)}, version {version}" if version else model_title(name)


def _range(low: str, high: str) -> str:
    low, high = (f"{float(share):.6g}" if share else "" for share in (low, high))
    if low and high:
        return f"{low} to {high} %"
    return f"{low} % or more" if low else f"{high} % or less"


def _days(since: str, until: str) -> str:
    days = (date.fromisoformat(text) if text else None for text in (since, until))
    first, last = (f"{day.day} {day:%b %Y}" if day else "" for day in days)
    if since == until:
        return f"On {first}"
    if since and until:
        return f"{first} to {last}"
    return f"Since {first}" if since else f"Until {last}"
