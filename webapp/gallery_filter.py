"""The filters of the gallery, each declared once: its name in URLs and JSON, its type and limits,
and its words on pages. `webapp.storage.photos.query_filters` says how each narrows a query.
"""

import dataclasses
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from webapp.domain import AMONG_FIVE, FIRST_GUESS, KNOWN, NO, YES
from webapp.errors import BadRequestError

_MOST_PICKED = 200  # photos named one by one: as many as the largest page has
# Pages say fractions as percentages, in fields of their own.
_PERCENT = {
    "min_confidence": "from_percent",
    "max_confidence": "to",
    "min_margin": "margin_from",
    "max_margin": "margin_to",
}
_OFF: Any = None


@dataclass(frozen=True)
class _Caption:
    """How people read a filter: `title` beside its field, `tag` for its value while it is on."""

    title: str = ""
    tag: str = "{}"


@dataclass(frozen=True)
class OneOf:
    """The type of a text that is one of a few: each value with its words, if pages show it."""

    words: Mapping[str, Any] = dataclasses.field(hash=False)

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.words))


@dataclass(frozen=True)
class _Refusal:
    """What is said about a value that does not fit, behind the name of its parameter."""

    text: str


def _plain(text: str) -> str:
    if "\x00" in text:
        raise ValueError("has characters that no name has")
    return text.strip()


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise ValueError("must be a day like 2026-02-27")


def _ids(text: str) -> str:
    ids = list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    if len(ids) > _MOST_PICKED or not all(re.fullmatch(r"[\w-]{1,24}", id, re.A) for id in ids):
        raise ValueError(f"must be up to {_MOST_PICKED} ids of photos with commas between them")
    return ",".join(ids)


Text = Annotated[
    str,
    Field(max_length=255),
    AfterValidator(_plain),
    _Refusal("is too long or has characters that no name has"),
]
_Share = Annotated[float, Field(ge=0, le=1), _Refusal("must be a number from 0 to 1")]
_PERCENT_REFUSAL = _Refusal("must be a number from 0 to 100")
_Percent = Annotated[float, Field(ge=0, le=100), _PERCENT_REFUSAL]
_DAY = {
    "type": "string",
    "format": "date",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "examples": ["2026-02-27"],
}
_Day = Annotated[date, BeforeValidator(_day), WithJsonSchema(_DAY)]


def _hide_defaults(schema: dict[str, Any]) -> None:
    """Remove from a JSON schema what stands for a filter that is off."""
    for name in PARAMETERS:
        schema["properties"][name].pop("default", None)


class GalleryFilter(BaseModel):
    """Which photos, in what order. An empty text or None leaves a filter off; all that are on hold
    at once.

    Without a model the filters are about the answer that each photo shows; with a model, about the
    answers of its live version or of `version`, and only photos that it has seen pass.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra=_hide_defaults,
        protected_namespaces=(),
    )

    predicted: Annotated[Text, _Caption("First guess", "First guess: {}")] = ""
    """Photos whose first label is this."""
    decision: Annotated[Text, _Caption("Answer", "Answer: {}")] = ""
    """Photos whose answer is this label or parent, or `unclassified`."""
    parent: Annotated[Text, _Caption("Group", "Any {}")] = ""
    """Photos whose answer is this parent or one of its labels."""
    ground_truth: Annotated[Text, _Caption("Really is", "Really is: {}")] = ""
    """Photos that a person gave this label or verdict."""
    outcome: Annotated[
        str,
        OneOf(
            {
                "correct": "Right",
                "wrong": "Wrong",
                "unlabelled": "Not checked",
                "unclassified": "Not sure",
                "unusable": "Unusable",
                "no-car": "No car",
            }
        ),
    ] = ""
    """Photos whose answer turned out so."""
    min_confidence: _Share = _OFF
    """Answered at least this surely."""
    max_confidence: _Share = _OFF
    """Answered at most this surely."""
    min_margin: _Share = _OFF
    """The first probability minus the second is at least this."""
    max_margin: _Share = _OFF
    """The first probability minus the second is at most this."""
    filename: Annotated[Text, _Caption("File name has", "Name has “{}”")] = ""
    """A part of the file name, upper and lower case alike."""
    model: Annotated[Text, _Caption("Answered by", "Answered by: {}")] = ""
    """Photos that this model (`NAME` or `NAME@VERSION`) has classified; all other filters are about
    its predictions then."""
    version: Annotated[int, Field(ge=0, le=999_999_999), _Refusal("must be a whole number")] = _OFF
    """With `model`: the predictions of this version."""
    since: Annotated[_Day, _Caption("Since")] = _OFF
    """Photos that came on this day (UTC) or later."""
    until: Annotated[_Day, _Caption("Until")] = _OFF
    """Photos that came on this day (UTC) or before."""
    uploader: Annotated[Text, _Caption("Sent by", "Sent by {}")] = ""
    """Photos that this person sent; `-`: without a login."""
    source: Annotated[Text, _Caption("Came through", "Through: {}")] = ""
    """Photos that came through `upload`, `api` or `cli`."""
    batch: Annotated[Text, _Caption(tag="Sent together")] = ""
    """Photos that were sent together."""
    labelled: Annotated[Text, _Caption(tag="Checked together")] = ""
    """Photos that were given a ground truth together: the batch of the label log."""
    like: Annotated[Text, _Caption(tag="Nearly the same photo")] = ""
    """The 500 photos nearest to the one with this id, itself included."""
    compared: Annotated[Text, _Caption(tag="Versions differ")] = ""
    """The photos that two versions answered differently in the comparison with this job id."""
    picked: Annotated[
        str,
        Field(max_length=2600),
        AfterValidator(_ids),
        _Refusal(f"must be up to {_MOST_PICKED} ids of photos with commas between them"),
    ] = ""
    """The photos with these ids, up to 200 with commas between them."""
    cars: Annotated[
        str,
        OneOf({"0": "No car", "1": "One car", "2": "Two cars", "3+": "Three cars or more"}),
        _Caption("Cars"),
    ] = ""
    """So many cars were found or drawn in it; photos at which nobody has looked are left out."""
    duplicates: Annotated[
        str,
        OneOf({YES: "Has look-alikes", NO: "No look-alikes"}),
        _Caption("Look-alikes"),
    ] = ""
    """Another photo looks the same."""
    starred: Annotated[str, OneOf({YES: "Starred", NO: "Not starred"}), _Caption("Star")] = ""
    """Somebody starred it."""
    audited: Annotated[
        str, OneOf({YES: "In an audit", NO: "Not in an audit"}), _Caption("Audit")
    ] = ""
    """It was checked in a random sample."""
    checked: Annotated[
        str,
        OneOf(
            {
                YES: "Checked",
                KNOWN: "Checked, one of the labels",
                FIRST_GUESS: "First guess was right",
                AMONG_FIVE: "Right label among the first five",
            }
        ),
        _Caption("Checked"),
    ] = ""
    """Somebody said what it is: `yes`. Of these: those that have a label, whose first guess was
    right, or whose label is among the first five."""
    trained_on: Annotated[
        str,
        OneOf({YES: "Used in training", NO: "Not used in training"}),
        _Caption("Training"),
    ] = Field(default="", alias="learnt")
    """The version that is meant was trained on it."""
    sort: Annotated[
        str,
        OneOf(
            {
                "newest": "Newest first",
                "oldest": "Oldest first",
                "least-sure": "Least sure first",
                "smallest-margin": "Closest calls first",
                "most-wrong": "Surest mistakes first",
            }
        ),
        _Caption("Order"),
    ] = "newest"
    """The order; `newest` when left out. `most-wrong`: only wrong answers, the surest first."""
    from_percent: Annotated[_Percent, _Caption("Confidence")] = Field(default=_OFF, alias="from")
    """`min_confidence` in percent, as in the gallery's address."""
    to: Annotated[_Percent, _Caption("Confidence")] = _OFF
    """`max_confidence` in percent."""
    margin_from: Annotated[_Percent, _Caption("Margin")] = _OFF
    """`min_margin` in percent."""
    margin_to: Annotated[_Percent, _Caption("Margin")] = _OFF
    """`max_margin` in percent."""

    @model_validator(mode="after")
    def _normalise(self) -> Self:
        """Take the version behind the model's name apart, percentages to fractions, and set the
        outcome that an order demands."""
        values = self.__dict__
        for name, percent in _PERCENT.items():
            if values[percent] is not None:
                values[name], values[percent] = values[percent] / 100, None
        name, _, version = self.model.partition("@")
        if version and self.version is None:
            if not re.fullmatch(r"[0-9]{1,9}", version):
                raise ValueError("version must be a whole number")
            values["version"] = int(version)
        values["model"] = name
        if self.version is not None and not name:
            raise ValueError("version says nothing without a model")
        if self.sort == "most-wrong":
            values["outcome"] = "wrong"
        return self

    def replace(self, **changes: Any) -> "GalleryFilter":
        """The same filter with other values, which are not checked."""
        return self.model_copy(update=changes)


# what each field is called in URLs and JSON
_PARAMETER_OF = {name: field.alias or name for name, field in GalleryFilter.model_fields.items()}
_FIELDS = {_PARAMETER_OF[name]: field for name, field in GalleryFilter.model_fields.items()}
PARAMETERS = tuple(_FIELDS)
_DEFAULTS = {name: field.default for name, field in GalleryFilter.model_fields.items()}


def caption_of(parameter: str) -> _Caption:
    """How people read a filter."""
    return _annotation(parameter, _Caption) or _Caption()


def choices_of(parameter: str) -> Mapping[str, str]:
    """The values of a filter that has a few, with their words."""
    choice = _annotation(parameter, OneOf)
    return choice.words if choice else {}


def parse_filter(params: Mapping[str, str]) -> GalleryFilter:
    """The filter that the parameters of a URL say; others are left alone. Raises `BadRequestError`
    with a sentence that names the parameter whose value does not fit."""
    given = {name: text for name in PARAMETERS if (text := params.get(name, "").strip())}
    for percent in _PERCENT.values():
        if (name := _PARAMETER_OF[percent]) in given:
            given[name] = given[name].removesuffix("%").strip()
    try:
        return GalleryFilter.model_validate_strings(given)
    except ValidationError as error:
        raise BadRequestError(_sentence(error.errors()[0])) from None


def filter_params(wanted: GalleryFilter) -> dict[str, str]:
    """The parameters of a URL that `parse_filter` reads as this filter; what is off is left out."""
    params = {}
    for name, default in _DEFAULTS.items():
        if (value := getattr(wanted, name)) != default:
            parameter = _PARAMETER_OF[_PERCENT.get(name, name)]
            params[parameter] = f"{value * 100:.10g}" if name in _PERCENT else str(value)
    return params


def without(params: Mapping[str, str], *names: str) -> dict[str, str]:
    """Parameters with some taken off; an order that demands an outcome goes with it."""
    if "outcome" in names and params.get("sort") == "most-wrong":
        names += ("sort",)
    return {name: value for name, value in params.items() if name not in names}


def _annotation(parameter: str, kind: type[Any]) -> Any:
    return next((mark for mark in _FIELDS[parameter].metadata if isinstance(mark, kind)), None)


def _sentence(fault: Any) -> str:
    name = fault["loc"][0] if fault["loc"] else ""
    if name and (choices := choices_of(name)):
        return f"{name} must be one of {', '.join(choices)}."
    refusal = _annotation(name, _Refusal) if name else None
    subject = caption_of(name).title if refusal is _PERCENT_REFUSAL else name
    return f"{subject} {refusal.text if refusal else fault['ctx']['error']}.".lstrip()
