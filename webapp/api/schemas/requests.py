"""What the calls of the JSON door take: parameters, bodies and forms. Requests are checked by them, the OpenAPI document shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    RootModel,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from webapp.domain import (
    AMONG_FIVE,
    FIRST_GUESS,
    JOB_STATES,
    KNOWN,
    NO,
    OUTCOMES,
    SORTS,
    YES,
    GalleryFilter,
)
from webapp.services.exports.export import FORMATS
from webapp.services.jobs.types.bulk import ACTIONS, UNDO
from webapp.services.jobs.types.compare import MOST as MOST_COMPARED
from webapp.services.jobs.types.compare import NEWEST as USUALLY_COMPARED
from webapp.services.labels.relabel import CHUNK, MAX_WHY
from webapp.services.photos.classify import MAX_FILES, Incoming
from webapp.services.photos.gallery import MAX_LIMIT, PAGE
from webapp.services.photos.query_filters import NAMES, parse_filter

OFF: Any = None
"""The default of what is left out; it is never read."""


@dataclass(frozen=True)
class OneOf:
    """A text that is one of a few."""

    allowed: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.allowed))


def _plain(text: str) -> str:
    """A text that every database can hold."""
    if "\x00" in text:
        raise ValueError("has characters that no name has")
    return text


def _whole(value: object) -> object:
    """In a body `2.0` is a whole number too. (In an address this would turn off that texts are read as numbers.)"""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Binary:
    """A file of a form, as it was read."""

    def __get_pydantic_core_schema__(
        self, source: type[Incoming], _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.is_instance_schema(source)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "binary"}


Text = Annotated[str, Field(max_length=255), AfterValidator(_plain)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Day = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        json_schema_extra={"format": "date"},
        examples=["2026-02-27"],
    ),
]
YesNo = Annotated[str, OneOf((YES, NO))]
VersionNumber = Annotated[int, Field(ge=1, le=999_999_999)]
Why = Annotated[str, Field(max_length=MAX_WHY, description="The reason, for the log.")]
File = Annotated[Incoming, Binary()]

PhotoId = Annotated[str, Field(description="The id of a photo.", examples=["k7Qm2xVd9aBc"])]
ModelName = Annotated[str, Field(description="The name of a model.", examples=["f1-teams"])]
Version = Annotated[int, Field(ge=0, description="The number of a version.", examples=[1])]
Batch = Annotated[str, Field(description="The `batch` that a change of many labels answered.")]
JobId = Annotated[str, Field(description="The id of a job.")]
FileName = Annotated[str, Field(description="The name of one of its files, or `manifest.json`.")]
ExportId = Annotated[str, Field(description="The header `Marque-Export` of an export.")]


class Question(BaseModel):
    """What a call takes. What is not named here is refused, so that a misspelt name never means something else."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Form(Question):
    """A multipart form. `files` names the fields with files; fields that are not named here are left alone, as browsers send some."""

    model_config = ConfigDict(extra="ignore")

    files: ClassVar[tuple[str, ...]] = ("file",)


# ---- photos ----


class Filters(Question):
    """The gallery's filters: all that are given hold at once."""

    predicted: Text = OFF
    """Photos whose first label is this."""
    decision: Text = OFF
    """Photos whose answer is this label, or `unclassified`."""
    ground_truth: Text = OFF
    """Photos that a person gave this label or verdict."""
    outcome: Annotated[str, OneOf(OUTCOMES)] = OFF
    """Photos whose answer turned out so."""
    min_confidence: Share = OFF
    """Answered at least this surely."""
    max_confidence: Share = OFF
    """Answered at most this surely."""
    min_margin: Share = OFF
    """The first probability minus the second is at least this."""
    max_margin: Share = OFF
    """The first probability minus the second is at most this."""
    filename: Text = OFF
    """A part of the file name, upper and lower case alike."""
    model: Text = OFF
    """Photos that this model (`NAME` or `NAME@VERSION`) has seen; all other filters are about its predictions then."""
    version: Annotated[int, Field(ge=0, le=999_999_999)] = OFF
    """With `model`: what this version said."""
    since: Day = OFF
    """Photos that came on this day (UTC) or later."""
    until: Day = OFF
    """Photos that came on this day (UTC) or before."""
    uploader: Text = OFF
    """Photos that this person sent; `-`: without a login."""
    source: Text = OFF
    """Photos that came through `upload`, `api` or `cli`."""
    batch: Text = OFF
    """Photos that were sent together."""
    labelled: Text = OFF
    """Photos that were given a ground truth together: the batch of the label log."""
    like: Text = OFF
    """The 500 photos nearest to the one with this id, itself included."""
    compared: Text = OFF
    """The photos that two versions answered differently in the comparison with this job id."""
    picked: Annotated[str, Field(max_length=2600)] = OFF
    """The photos with these ids, up to 200 with commas between them."""
    duplicates: YesNo = OFF
    """Another photo looks the same."""
    starred: YesNo = OFF
    """Somebody starred it."""
    audited: YesNo = OFF
    """It was checked in a random sample."""
    checked: Annotated[str, OneOf((YES, KNOWN, FIRST_GUESS, AMONG_FIVE))] = OFF
    """Somebody said what it is: `yes`. Of these: those that have a label, whose first guess was right, or whose label is among the first
    five."""
    learnt: YesNo = OFF
    """The version that is meant has learnt from it."""
    sort: Annotated[str, OneOf(SORTS)] = OFF
    """The order; `newest` when left out. `most-wrong` knows only wrong answers, the surest first."""
    from_percent: Percent = Field(OFF, alias="from")
    """`min_confidence` in percent, as in the gallery's address."""
    to: Percent = OFF
    """`max_confidence` in percent."""
    margin_from: Percent = OFF
    """`min_margin` in percent."""
    margin_to: Percent = OFF
    """`max_margin` in percent."""

    def wanted(self) -> GalleryFilter:
        """The filter. Raises `BadRequestError` for what makes no sense together."""
        given = self.model_dump(exclude_unset=True, by_alias=True)
        return parse_filter({name: str(value) for name, value in given.items() if name in NAMES})


class ListQuery(Filters):
    """A page of photos."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = PAGE
    """How many photos."""
    cursor: Text = ""
    """`next` or `previous` of another page, or `last`."""


class StatsQuery(Filters):
    """Which answers are counted."""

    include: Annotated[str, OneOf(("learnt",))] = OFF
    """`learnt`: count also the photos that the version has learnt from."""


class SuspectedQuery(Question):
    """Which doubted ground truths."""

    model: Text = ""
    """The live model that doubts them; without it the site's own."""
    ground_truth: Text = OFF
    """Photos that a person gave this label."""
    other: Text = ""
    """Photos that the model takes for this instead."""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = PAGE
    """How many photos."""
    cursor: Text = ""
    """`next` of the page before."""


class ChoiceQuery(Question):
    """Whose prediction."""

    model: Text = ""
    """A model's name, or `all`; without it the photo's shown prediction."""


class FileQuery(Question):
    """How a file is given out."""

    metadata: Annotated[str, OneOf(("keep",))] = OFF
    """`keep`, with a key of the scope `admin`: the file as it came, with what it tells about place, time and camera."""


class HeatQuery(Question):
    """Where did who look?"""

    model: Text = ""
    """A live model; without it the site's own."""
    label: Text = ""
    """A label of that model; without it the first of its ranking."""


class TokenQuery(Question):
    """Instead of a key."""

    token: Text = ""
    """From the delete link that the page showed to whoever uploaded the photo."""


class ClassifyForm(Form):
    """Photos, and who is asked about them."""

    file: Annotated[list[File], Field(min_length=1, json_schema_extra={"maxItems": MAX_FILES})]
    """A photo; the field may come several times."""
    model: str = ""
    """A live model, or `all`; without it the site's own."""


class PhotoForm(ClassifyForm):
    """Photos that are kept."""

    ground_truth: str = ""
    """What they show: a label of a model that is asked, `none` or `unusable`."""


class GroundTruthBody(Question):
    """What a photo really shows."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "mclaren", "why": "seen from the other side"}]}
    )

    label: str
    """A label, `none` (none of the labels) or `unusable`."""
    why: Why = ""
    model: str = ""
    """The model whose label it is; without it any live one."""


# ---- labels ----


class LabelsBody(Question):
    """A ground truth for many photos: either those of `ids`, or all that pass the `filter`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}],
            "examples": [
                {"filter": {"decision": "mclaren", "min_confidence": 0.9}, "label": "mclaren"}
            ],
        }
    )

    ids: Annotated[list[str], Field(min_length=1, max_length=CHUNK)] = OFF
    """Ids of photos."""
    filter: Filters = OFF
    """The filters of the list of photos; 50,000 photos at most."""
    label: str
    """A label, `none` or `unusable`."""
    why: Why = ""
    model: str = ""
    """The model whose label it is; without it any live one."""

    @model_validator(mode="after")
    def _either(self) -> LabelsBody:
        if ("ids" in self.model_fields_set) == ("filter" in self.model_fields_set):
            raise ValueError("needs either ids or a filter")
        return self


# ---- models ----


class CompareQuery(Question):
    """Which two versions."""

    a: VersionNumber
    """The champion."""
    b: VersionNumber
    """The challenger."""


class RollbackBody(Question):
    """Why the version goes back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"why": "it takes every red car for a Ferrari"}]}
    )

    why: Why = ""


class PromoteBody(RollbackBody):
    """Which version takes over."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": 2, "why": "better on the photos of this month"}]
        }
    )

    version: Annotated[VersionNumber, BeforeValidator(_whole)]
    force: bool = False
    """Also when the comparison says that it is no better; needs a reason."""


# ---- exports ----


class ExportQuery(Filters):
    """What to export."""

    format: Annotated[str, OneOf(tuple(FORMATS))] = "jsonl"
    """The format: see docs/exports.md."""
    after: Text = ""
    """The id of the last photo that is there already: the export goes on behind it."""
    limit: Annotated[int, Field(ge=1, le=999_999_999)] = OFF
    """The most photos; all of them when left out."""
    metadata: Annotated[str, OneOf(("keep",))] = OFF
    """`keep`, with a key of the scope `admin`: photos with what their files tell about place, time and camera."""


# ---- jobs ----


class JobsQuery(Question):
    """Which jobs."""

    state: Annotated[str, OneOf(JOB_STATES)] = OFF
    """Jobs in this state."""
    kind: Text = ""
    """The kind of job, like `upload`."""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = PAGE
    """How many jobs."""
    cursor: Text = ""
    """`next` of another page."""


class UploadBody(Question):
    """Take in photos from a zip, or from a folder of the server."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "upload", "folder": "2026/monza"}]}
    )

    kind: Literal["upload"]
    folder: str = ""
    """A folder of the server, below the one that the operator allowed; with a key of the scope `admin`."""
    model: str = ""
    """A live model, or `all`; without it the site's own."""
    ground_truth: str = ""
    """What all the photos show."""
    folders: bool = False
    """The folder that a photo lies in is its ground truth."""


class ExportBody(Question):
    """Make an export in the background; needs a key of the scope `review`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "export", "format": "csv", "filter": {"outcome": "wrong"}}]
        }
    )

    kind: Literal["export"]
    format: Annotated[str, OneOf(tuple(FORMATS))] = "jsonl"
    """The format: see docs/exports.md."""
    filter: Filters = OFF
    """The filters of the list of photos; all photos without it."""
    after: Text = ""
    """The id of the last photo that is there already: the export goes on behind it."""
    metadata: Annotated[str, OneOf(("keep",))] = OFF
    """`keep`, with a key of the scope `admin`: photos with what their files tell about place, time and camera."""


class ManyBody(Question):
    """One action on all photos that a filter lets through, as one batch, or taking a batch back; needs a key of the scope `review`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "many",
                    "action": "label",
                    "label": "mclaren",
                    "filter": {"decision": "mclaren"},
                }
            ]
        }
    )

    kind: Literal["many"]
    action: Annotated[str, OneOf((*ACTIONS, UNDO))]
    """What shall be done; `delete` needs the scope `admin`."""
    filter: Filters = OFF
    """The filters of the list of photos; `{}` means all photos. Needed by every action but `undo`."""
    label: str = ""
    """For `label`: a label, `none` or `unusable`."""
    model: str = ""
    """For `label`: the model whose label it is; without it any live one."""
    why: Why = ""
    batch: str = ""
    """For `undo`: the batch to take back."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> ManyBody:
        if self.action != UNDO and "filter" not in self.model_fields_set:
            raise ValueError("needs a filter; {} means all photos")
        return self


class KeepBody(Question):
    """Keep so many photos of each class and delete the rest; needs a key of the scope `admin`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "keep", "per_class": 500, "older_than": "90d"}]}
    )

    kind: Literal["keep"]
    per_class: Annotated[int, Field(ge=0, le=999_999_999), BeforeValidator(_whole)]
    """So many photos of each class stay, the newest; labelled and starred ones always."""
    older_than: Text = "0d"
    """Only photos older than this go: `90d`, `12w`, `2y`."""


class PredictBody(Question):
    """Let the site's model look at a photo that is here."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "predict", "photo": "k7Qm2xVd9aBc"}]}
    )

    kind: Literal["predict"]
    photo: Text
    """The id of the photo."""


class RankBody(Question):
    """A version looks at photos that are here; needs a key of the scope `review`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "rank",
                    "model": "f1-teams",
                    "version": 2,
                    "filter": {"since": "2026-01-01"},
                }
            ]
        }
    )

    kind: Literal["rank"]
    model: Text
    """The name of a model."""
    version: Annotated[VersionNumber, BeforeValidator(_whole)]
    """The version that looks."""
    filter: Filters = OFF
    """The filters of the list of photos; the whole history without it."""


class CompareBody(Question):
    """Two versions look at the newest photos; needs a key of the scope `admin`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "compare",
                    "model": "f1-teams",
                    "champion": 1,
                    "challenger": 2,
                    "newest": 2000,
                }
            ]
        }
    )

    kind: Literal["compare"]
    model: Text
    """The name of a model."""
    challenger: Annotated[VersionNumber, BeforeValidator(_whole)]
    """One version."""
    champion: Annotated[VersionNumber, BeforeValidator(_whole)] = OFF
    """The other one; without it the live version."""
    newest: Annotated[int, Field(ge=1, le=MOST_COMPARED), BeforeValidator(_whole)] = (
        USUALLY_COMPARED
    )
    """How many of the newest photos both look at."""


class JobBody(
    RootModel[
        Annotated[
            UploadBody | ExportBody | ManyBody | KeepBody | PredictBody | RankBody | CompareBody,
            Field(discriminator="kind"),
        ]
    ]
):
    """A job, by its kind."""


class JobForm(Form):
    """A job, with the file that it works on: a zip of photos, or labels."""

    files: ClassVar[tuple[str, ...]] = ()

    kind: Annotated[str, OneOf(("upload", "labels"))]
    """`labels` needs a key of the scope `review`."""
    file: Annotated[Any, WithJsonSchema({"type": "string", "format": "binary"})] = None
    """The file; the view reads it, which may be large."""
    folder: str = ""
    """`upload`, instead of a file: a folder of the server, below the one that the operator allowed; with a key of the scope `admin`."""
    model: str = ""
    """`upload`: a live model, or `all`; without it the site's own."""
    ground_truth: str = ""
    """`upload`: what all the photos show."""
    folders: bool = False
    """`upload`: the folder that a photo lies in is its ground truth."""
    by_name: bool = False
    """`labels`: a file name is enough to know a photo, also where a line has another SHA-256."""
    replace: bool = False
    """`labels`: give photos that have another label this one."""
    dry_run: bool = False
    """`labels`: only look."""
