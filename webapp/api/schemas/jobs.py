"""Background jobs: what each type takes, and the state of a job."""

from typing import Annotated, Any, ClassVar, Literal, Self

from flask import url_for
from pydantic import Field, RootModel, model_validator

from webapp.api.schemas.base import (
    BINARY,
    OFF,
    WHOLE,
    ApiRequest,
    Count,
    JsonShape,
    Moment,
    MultipartRequest,
    OneOf,
    VersionNumber,
    Why,
    enum,
    example,
)
from webapp.api.schemas.exports import ExportFields
from webapp.api.schemas.photos import Filters, Limit
from webapp.domain import JOB_STATES, moment
from webapp.gallery_filter import Text
from webapp.services.jobs.queue import JobView
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types.bulk import ACTIONS, UNDO
from webapp.services.jobs.types.compare import MOST as MOST_COMPARED
from webapp.services.jobs.types.compare import NEWEST as USUALLY_COMPARED
from webapp.services.photos.gallery import PAGE

# ---- requests ----


class JobsQuery(ApiRequest):
    """Which jobs."""

    state: Annotated[str, OneOf(JOB_STATES)] = OFF
    """Jobs in this state."""
    kind: Text = ""
    """The kind of job, like `upload`."""
    limit: Limit = PAGE
    """How many jobs."""
    cursor: Text = ""
    """`next` of another page."""


class _UploadFields(ApiRequest):
    kind: str
    folder: str = ""
    """`upload`, instead of a zip: a folder of the server, below the one that the operator allowed;
    with a key of the scope `admin`."""
    model: str = ""
    """`upload`: a live model, or `all`; without it the site's own."""
    ground_truth: str = ""
    """`upload`: what all the photos show."""
    folders: bool = False
    """`upload`: the folder that a photo lies in is its ground truth."""


class UploadBody(_UploadFields):
    """Take in photos from a zip, or from a folder of the server."""

    model_config = example(kind="upload", folder="2026/monza")

    kind: Literal["upload"]


class ExportBody(ExportFields):
    """Make an export in the background; needs a key of the scope `review`."""

    model_config = example(kind="export", format="csv", filter={"outcome": "wrong"})

    kind: Literal["export"]
    filter: Filters = Field(default_factory=Filters)
    """The filters of the list of photos; all photos without it."""


class ManyBody(ApiRequest):
    """One action on all photos that a filter lets through, as one batch, or taking a batch back;
    needs a key of the scope `review`."""

    model_config = example(
        kind="many", action="label", label="mclaren", filter={"decision": "mclaren"}
    )

    kind: Literal["many"]
    action: Annotated[str, OneOf((*ACTIONS, UNDO))]
    """What shall be done; `delete` needs the scope `admin`."""
    filter: Filters = Field(default_factory=Filters)
    """The filters of the list of photos; `{}` means all photos. Needed by every action but
    `undo`."""
    label: str = ""
    """For `label`: a label, `none` or `unusable`."""
    model: str = ""
    """For `label`: the model whose label it is; without it any live one."""
    why: Why = ""
    batch: str = ""
    """For `undo`: the batch to take back."""

    @model_validator(mode="after")
    def _needs_a_filter(self) -> Self:
        if self.action != UNDO and "filter" not in self.model_fields_set:
            raise ValueError("needs a filter; {} means all photos")
        return self


class KeepBody(ApiRequest):
    """Keep a number of photos of each class and delete the rest; needs a key of the scope
    `admin`."""

    model_config = example(kind="keep", per_class=500, older_than="90d")

    kind: Literal["keep"]
    per_class: Annotated[int, Field(ge=0, le=999_999_999), WHOLE]
    """How many photos of each class stay, the newest; labelled and starred ones always."""
    older_than: Text = "0d"
    """Only photos older than this go: `90d`, `12w`, `2y`."""


class PredictBody(ApiRequest):
    """Let the site's model classify a stored photo."""

    model_config = example(kind="predict", photo="k7Qm2xVd9aBc")

    kind: Literal["predict"]
    photo: Text
    """The id of the photo."""


class RankBody(ApiRequest):
    """A version classifies stored photos; needs a key of the scope `review`."""

    model_config = example(kind="rank", model="f1-teams", version=2, filter={"since": "2026-01-01"})

    kind: Literal["rank"]
    model: Text
    """The name of a model."""
    version: Annotated[VersionNumber, WHOLE]
    """The version that classifies."""
    filter: Filters = Field(default_factory=Filters)
    """The filters of the list of photos; the whole history without it."""


class CompareBody(ApiRequest):
    """Two versions classify the newest photos; needs a key of the scope `admin`."""

    model_config = example(kind="compare", model="f1-teams", champion=1, challenger=2, newest=2000)

    kind: Literal["compare"]
    model: Text
    """The name of a model."""
    challenger: Annotated[VersionNumber, WHOLE]
    """One version."""
    champion: Annotated[VersionNumber, WHOLE] = OFF
    """The other one; without it the live version."""
    newest: Annotated[int, Field(ge=1, le=MOST_COMPARED), WHOLE] = USUALLY_COMPARED
    """How many of the newest photos both classify."""


_AnyBody = UploadBody | ExportBody | ManyBody | KeepBody | PredictBody | RankBody | CompareBody


class JobBody(RootModel[Annotated[_AnyBody, Field(discriminator="kind")]]):
    """A job, by its kind."""


class JobForm(_UploadFields, MultipartRequest):
    """A job, with the file that it works on: a zip of photos, or labels."""

    files: ClassVar[tuple[str, ...]] = ()

    kind: Literal["upload", "labels"]
    """`labels` needs a key of the scope `review`."""
    file: Annotated[Any, BINARY] = None
    """The file; the view reads it, which may be large."""
    by_name: bool = False
    """`labels`: match photos by file name, also where a line has another SHA-256."""
    replace: bool = False
    """`labels`: give photos that have another label this one."""
    dry_run: bool = False
    """`labels`: only report what would change."""


# ---- answers ----


class JobJson(JsonShape):
    """The state of a job."""

    id: str
    kind: str
    title: str
    state: Annotated[str, enum(*JOB_STATES)]
    stopping: bool
    """It was cancelled, and parts of it come to a stop."""
    done: Count
    total: Annotated[int, Field(ge=1)] | None
    """Null until it is known."""
    failed: Count
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


class _JobLineJson(JsonShape):
    """A line of a job's log."""

    at: Moment
    text: str


class JobWithLogJson(JobJson):
    """The state of a job, with its log."""

    log: list[_JobLineJson]
    """The last lines, the oldest first."""


class JobPageJson(JsonShape):
    """A page of jobs."""

    items: list[JobJson]
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""


# ---- presenters ----


def job_json(view: JobView) -> JobJson:
    """The state of a job; files that it has made and that are still there have their address."""
    row, progress = view.job, view.progress
    files = [
        file | {"url": url_for("api_jobs.file", job_id=row.public_id, name=file["name"])}
        for file in export_job.files_of(view)
    ]
    return {
        "id": row.public_id,
        "kind": row.type,
        "title": row.title,
        "state": row.state,
        "stopping": view.stopping,
        "done": progress.done,
        "total": progress.total or None,
        "failed": progress.failed,
        "rate": round(view.rate, 2) if view.rate else None,
        "seconds_left": round(view.left, 1) if view.left is not None else None,
        "who": row.who,
        "created_at": moment(row.created_at),
        "started_at": moment(row.started_at) if row.started_at else None,
        "ended_at": moment(row.ended_at) if row.ended_at else None,
        "result": {**(row.result or {}), "files": files} if files else row.result,
        "error": row.error or None,
    }
