"""The shapes of what the JSON door answers: `webapp.api.schemas.presenters` fills them, the OpenAPI document shows them."""

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from webapp.domain import JOB_STATES, OUTCOMES

TOLD = ConfigDict(use_attribute_docstrings=True)
"""The sentence below a field is its description in the document."""

Share = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T15:02:11.402Z"])
]
Outcome = Annotated[str, Field(json_schema_extra={"enum": list(OUTCOMES)})]


# ---- errors ----


@with_config(TOLD)
class Fault(TypedDict):
    """One part of a request that cannot be used."""

    where: str
    """The part: `query.limit`, `body.label`, `form.file`."""
    what: str
    """What is wrong with it."""


@with_config(TOLD)
class Problem(TypedDict):
    """An error (RFC 9457)."""

    type: str
    """Always `about:blank`: the status says what kind of error it is."""
    title: str
    """The status in words."""
    status: int
    detail: str
    """A sentence for a person: what happened, what was kept, what to do."""
    errors: NotRequired[list[Fault]]
    """Every part of the request that has the wrong type or is not known."""


# ---- photos ----


@with_config(TOLD)
class RankedLine(TypedDict):
    """One line of a ranking."""

    rank: Annotated[int, Field(ge=1)]
    label: str
    class_id: Annotated[int, Field(ge=-1)]
    """The place of the label in the model's card; -1 when that card is gone."""
    probability: Share


@with_config(TOLD)
class ModelVersion(TypedDict):
    """A model and one of its versions."""

    name: str
    version: int


@with_config(TOLD)
class Prediction(TypedDict):
    """What one model version said about one photo."""

    decision: str
    """A label, or `unclassified` when the model is not sure enough."""
    label: str
    """The first label of the ranking, also when the decision is `unclassified`."""
    confidence: Share
    """The probability of the first label."""
    familiarity: Share | None
    """How like the photos that the version learned from this one looks; null for a version without a measure for it."""
    ranked: list[RankedLine]
    """Every label, the most probable first."""
    model: ModelVersion
    elapsed_ms: Annotated[float, Field(ge=0)]
    """Decoding and network together, in milliseconds."""


@with_config(TOLD)
class Photo(TypedDict):
    """A photo with the prediction that was asked for."""

    id: str
    filename: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    bytes: Annotated[int, Field(ge=1)]
    created_at: Moment
    ground_truth: str | None
    """What a person said it is: a label, `none` (none of the labels) or `unusable`; null when nobody has."""
    outcome: Outcome
    """What became of the prediction, held against the ground truth."""
    prediction: Prediction | None
    """Null when no model has looked at the photo yet."""
    predictions: NotRequired[list[Prediction]]
    """What every model says, when all were asked."""


@with_config(TOLD)
class SentPhoto(Photo):
    """A photo that was sent."""

    duplicate: bool
    """True when its bytes were known already: it is the photo that was there."""


@with_config(TOLD)
class RelabelledPhoto(Photo):
    """A photo that was given a ground truth."""

    taken_as: NotRequired[str]
    """The label that was given, when the one that was sent had been merged into it."""


LabelEvent = TypedDict(
    "LabelEvent",
    {
        "event": int,
        "from": Annotated[
            str | None, Field(description="The label before, as it was given; null for none.")
        ],
        "to": Annotated[
            str | None, Field(description="The label from then on; null when it was taken away.")
        ],
        "who": str,
        "when": Moment,
        "why": str,
        "place": Annotated[
            str,
            Field(
                description="Where it was done: queue, audit, gallery, photo, upload, api, cli, undo or delete."
            ),
        ],
        "batch": Annotated[
            str,
            Field(
                description="What was done together: `DELETE /labels/batches/{batch}` takes it back."
            ),
        ],
        "undoes": Annotated[int | None, Field(description="The event that this one takes back.")],
        "undone": Annotated[bool, Field(description="It was taken back since.")],
    },
)
"""One entry of a photo's label history."""


class LabelHistory(TypedDict):
    """What people said about a photo, newest first."""

    items: list[LabelEvent]


@with_config(TOLD)
class SentResult(TypedDict):
    """What became of one of several files: `photo`, or `error` with the sentence that a single one would have got."""

    filename: str
    status: int
    """The HTTP status that this file alone would have got."""
    photo: NotRequired[SentPhoto]
    error: NotRequired[str]


class SentResults(TypedDict):
    """What became of several files, in their order."""

    results: list[SentResult]


@with_config(TOLD)
class Said(TypedDict):
    """The answer about a photo that was not stored."""

    filename: str
    prediction: Prediction
    predictions: NotRequired[list[Prediction]]
    """What every model says, when all were asked."""


@with_config(TOLD)
class SaidResult(TypedDict):
    """The answer about one of several files: `prediction`, or `error`."""

    filename: str
    status: int
    """The HTTP status that this file alone would have got."""
    prediction: NotRequired[Prediction]
    predictions: NotRequired[list[Prediction]]
    error: NotRequired[str]


class SaidResults(TypedDict):
    """The answers about several files, in their order."""

    results: list[SaidResult]


@with_config(TOLD)
class PhotoPage(TypedDict):
    """A page of the list."""

    items: list[Photo]
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""
    previous: str | None
    """The `cursor` of the page before this one; null on the first."""


# ---- labels ----


class Suspect(TypedDict):
    """A photo whose ground truth the model doubts."""

    id: str
    filename: str
    ground_truth: str
    probability: float
    """What the model gives the ground truth."""
    other: str
    """The label that it suspects instead."""
    other_probability: float
    margin: float
    """The first probability minus the second: the lowest are the most suspected."""


class Suspects(TypedDict):
    """A page of doubted ground truths, the most suspected first."""

    model: ModelVersion
    """Who doubts them."""
    items: list[Suspect]
    left: int
    """How many there are, at least."""
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""


@with_config(TOLD)
class Relabelled(TypedDict):
    """What a change of many ground truths did."""

    processed: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]
    """Photos that had the label already, or that were relabelled since."""
    batch: str | None
    """With this id all of it is taken back at once; null when nothing was changed."""
    taken_as: NotRequired[str]
    """The label that was given, when the one that was sent had been merged into it."""


# ---- jobs ----


@with_config(TOLD)
class Job(TypedDict):
    """A job as it stands."""

    id: str
    kind: str
    title: str
    state: Annotated[str, Field(json_schema_extra={"enum": list(JOB_STATES)})]
    stopping: bool
    """It was cancelled, and parts of it come to a stop."""
    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=1)] | None
    """Null until it is known."""
    failed: Annotated[int, Field(ge=0)]
    rate: float | None
    """Things a second."""
    seconds_left: float | None
    """At this rate."""
    who: str
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    result: dict[str, Any] | None
    """What came of it, by kind; null until it has ended."""
    error: str | None
    """Why it failed."""


class JobLine(TypedDict):
    """A line of a job's log."""

    at: Moment
    text: str


@with_config(TOLD)
class JobWithLog(Job):
    """A job as it stands, with its log."""

    log: list[JobLine]
    """The last lines, the oldest first."""


@with_config(TOLD)
class JobPage(TypedDict):
    """A page of jobs."""

    items: list[Job]
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""


# ---- exports, formats, health ----


@with_config(TOLD)
class Export(TypedDict):
    """What an export says about itself."""

    id: str
    state: Annotated[str, Field(json_schema_extra={"enum": ["running", "complete", "stopped"]})]
    format: str
    who: str
    created_at: Moment
    after: str
    """The photo it went on after, or empty."""
    photos: int
    manifest: dict[str, Any] | None
    """Counts, checksum and where to go on; null until the export is complete."""


@with_config(TOLD)
class PhotoFormat(TypedDict):
    """A format of photos."""

    name: str
    content_type: str
    pixels: int
    """The most pixels that a photo of this format may have."""


@with_config(TOLD)
class Formats(TypedDict):
    """What can be sent: formats and limits."""

    formats: list[PhotoFormat]
    bytes: int
    """The most bytes of one photo."""
    side: int
    """The most pixels of one side."""
    files: int
    """The most photos of one request."""
    request_bytes: int
    """The most bytes of one request."""
    exports: list[str]
    """What photos can be exported as."""


class Greeting(TypedDict):
    """The shortest answer there is."""

    message: str


class Live(TypedDict):
    """The process answers."""

    status: str


@with_config(TOLD)
class Ready(TypedDict):
    """Photos are answered."""

    status: str
    model: ModelVersion
    trouble: NotRequired[str]
    """Why another version answers than the live one."""


@with_config(TOLD)
class NotReady(TypedDict):
    """Photos cannot be answered now."""

    status: str
    problems: dict[str, str]
    """A sentence for each part that does not work."""
