"""Jobs that can be added through JSON: what each kind takes, who may add it, and how."""

from typing import Annotated, Any, ClassVar, Literal, Self

from flask import request
from pydantic import Field, RootModel, model_validator

from webapp.api.authentication import Need, check, owner, who
from webapp.api.schemas.base import (
    BINARY,
    OFF,
    WHOLE,
    ApiRequest,
    MultipartRequest,
    VersionNumber,
    Why,
    example,
)
from webapp.api.schemas.exports import ExportFields
from webapp.api.schemas.photos import Filters
from webapp.domain import UNDO
from webapp.errors import BadRequestError, NoFileError
from webapp.extensions import get_config, get_extensions, get_label_cards, get_registry
from webapp.gallery_filter import OneOf, Text
from webapp.http.rate_limits import count_photos
from webapp.services.jobs.queue import Job, Sender, known_job
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.jobs.types import compare as compare_job
from webapp.services.jobs.types import compare_detectors as compare_detectors_job
from webapp.services.jobs.types import detect as detect_job
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types import label_import as label_import_job
from webapp.services.jobs.types import predict as predict_job
from webapp.services.jobs.types import reclassify as reclassify_job
from webapp.services.jobs.types import retention as retention_job
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.compare import ComparisonOrder
from webapp.services.jobs.types.upload import UploadOrder
from webapp.services.labels import label_files
from webapp.services.photos import gallery
from webapp.services.photos.bulk import ACTIONS, DELETE, LABEL, Selection, make_change
from webapp.services.photos.classify import clean_name
from webapp.services.photos.deletion import parse_age
from webapp.storage.labels.events import Stamp


class _UploadFields(ApiRequest):
    kind: str
    folder: str = ""
    """`upload`, instead of a zip: a folder of the server, below the one that the operator allowed;
    with a key of the scope `admin`."""
    model: str = ""
    """`upload`: a live model, or `all`; without it the one that knows the car answers."""
    ground_truth: str = ""
    """`upload`: what all the photos show."""
    folders: bool = False
    """`upload`: the folder that a photo lies in is its ground truth."""

    def enqueue(self) -> Job:
        """Add the job. Raises what the kind's job type raises, or for too small a key."""
        classifiers = get_extensions().classifiers(self.model)
        params = upload_job.make_params(
            classifiers, self.model, "api", self.ground_truth, self.folders
        )
        sent = request.files.get("file")
        title = self.folder if sent is None else clean_name(sent.filename or "photos.zip")
        order = UploadOrder(params, title, _sender())
        if sent is not None:
            return upload_job.enqueue_zip(get_config().data, sent.stream, order)
        if not self.folder:
            raise NoFileError(
                "Send a zip of photos in a field called file: "
                "curl -F kind=upload -F file=@photos.zip"
            )
        check(Need.ADMIN)
        return upload_job.enqueue_folder(get_config().import_folder, self.folder, order)


class _UploadBody(_UploadFields):
    """Take in photos from a zip, or from a folder of the server."""

    model_config = example(kind="upload", folder="2026/monza")

    kind: Literal["upload"]


class _ExportBody(ExportFields):
    """Make an export in the background; needs a key of the scope `review`."""

    model_config = example(kind="export", format="csv", filter={"outcome": "wrong"})

    kind: Literal["export"]
    filter: Filters = Field(default_factory=Filters)
    """The filters of the list of photos; all photos without it."""

    def enqueue(self) -> Job:
        """Add the job."""
        check(Need.ADMIN if self.metadata else Need.REVIEW)
        return export_job.enqueue(self.order(self.filter), get_config().data, _sender())


class _ManyBody(ApiRequest):
    """One action on all photos that a filter lets through, as one batch, or taking a batch back;
    needs a key of the scope `review`."""

    model_config = example(
        kind="many", action="label", label="mclaren", filter={"decision": "mclaren"}
    )

    kind: Literal["many"]
    action: Annotated[str, OneOf(dict.fromkeys((*ACTIONS, UNDO)))]
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

    def enqueue(self) -> Job:
        """Add the job."""
        check(Need.ADMIN if self.action == DELETE else Need.REVIEW)
        if self.action == UNDO:
            return bulk_job.enqueue(bulk_job.undo_params(self.batch, "api"), _sender())
        cards = get_label_cards(self.model) if self.action == LABEL else []
        change = make_change(self.action, self.filter, self.label, cards)
        params = bulk_job.action_params(change, Stamp(who(), "api", self.why))
        return bulk_job.enqueue(params, _sender())


class _KeepBody(ApiRequest):
    """Keep a number of photos of each class and delete the rest; needs a key of the scope
    `admin`."""

    model_config = example(kind="keep", per_class=500, older_than="90d")

    kind: Literal["keep"]
    per_class: Annotated[int, Field(ge=0, le=999_999_999), WHOLE]
    """How many photos of each class stay, the newest; labelled and starred ones always."""
    older_than: Text = "0d"
    """Only photos older than this go: `90d`, `12w`, `2y`."""

    def enqueue(self) -> Job:
        """Add the job."""
        check(Need.ADMIN)
        return retention_job.enqueue(self.per_class, parse_age(self.older_than), _sender())


class _PredictBody(ApiRequest):
    """Let the site's model classify a stored photo."""

    model_config = example(kind="predict", photo="k7Qm2xVd9aBc")

    kind: Literal["predict"]
    photo: Text
    """The id of the photo."""

    def enqueue(self) -> Job:
        """Add the job."""
        photo = gallery.get_photo(self.photo)
        count_photos()
        return predict_job.enqueue(photo, _sender())


class _RankBody(ApiRequest):
    """A version classifies stored photos; needs a key of the scope `review`."""

    model_config = example(kind="rank", model="f1-teams", version=2, filter={"since": "2026-01-01"})

    kind: Literal["rank"]
    model: Text
    """The name of a model."""
    version: Annotated[VersionNumber, WHOLE]
    """The version that classifies."""
    filter: Filters = Field(default_factory=Filters)
    """The filters of the list of photos; the whole history without it."""

    def enqueue(self) -> Job:
        """Add the job."""
        check(Need.REVIEW)
        registry, selection = get_registry(), Selection(wanted=self.filter)
        return reclassify_job.enqueue(registry, self.model, self.version, selection, _sender())


class _DetectBody(ApiRequest):
    """The live detector looks for cars in stored photos at which it has not looked yet; needs a key
    of the scope `review`."""

    model_config = example(kind="detect", filter={"since": "2026-01-01"})

    kind: Literal["detect"]
    filter: Filters = Field(default_factory=Filters)
    """The filters of the list of photos; the whole history without it."""

    def enqueue(self) -> Job:
        """Add the job."""
        check(Need.REVIEW)
        detector = get_extensions().detector()
        return detect_job.enqueue(detector, Selection(wanted=self.filter), _sender())


class _CompareBody(ApiRequest):
    """Two versions classify the newest photos, or those of a detector look for the cars in photos
    that people checked; needs a key of the scope `admin`."""

    model_config = example(kind="compare", model="f1-teams", champion=1, challenger=2, newest=2000)

    kind: Literal["compare"]
    model: Text
    """The name of a model."""
    challenger: Annotated[VersionNumber, WHOLE]
    """One version."""
    champion: Annotated[VersionNumber, WHOLE] = OFF
    """The other one; without it the live version."""
    newest: Annotated[int, Field(ge=1, le=compare_job.MOST), WHOLE] = compare_job.NEWEST
    """How many of the newest photos both classify; not for detectors."""

    def enqueue(self) -> Job:
        """Add the job."""
        check(Need.ADMIN)
        registry = get_registry()
        if registry.is_detector(self.model):
            if "newest" in self.model_fields_set:
                raise BadRequestError(
                    "newest is for models: a detector's versions look at all photos that people "
                    "checked. Leave it out."
                )
            champion = self.champion or registry.detector_card(self.model).version
            pair = (champion, self.challenger)
            return compare_detectors_job.enqueue(registry, self.model, *pair, _sender())
        champion = self.champion or registry.card(self.model).version
        wanted = ComparisonOrder(self.model, champion, self.challenger, self.newest)
        return compare_job.enqueue(registry, wanted, _sender())


_AnyBody = (
    _UploadBody
    | _ExportBody
    | _ManyBody
    | _KeepBody
    | _PredictBody
    | _RankBody
    | _DetectBody
    | _CompareBody
)


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

    def enqueue(self) -> Job:
        """Add the job. A file that is sent again with the same key is not kept again."""
        if self.kind == "upload":
            return super().enqueue()
        check(Need.REVIEW)
        sent = request.files.get("file")
        if sent is None:
            raise NoFileError(
                "Send a file of labels in a field called file: "
                "curl -F kind=labels -F file=@labels.csv"
            )
        name = clean_name(sent.filename or "labels.csv")
        known = known_job(_sender())
        if known and (known.type, known.title) == (label_import_job.JOB_TYPE.name, name):
            return known
        public_id = label_files.keep_file(name, sent.read(label_files.MAX_BYTES + 1), who=who())
        flags = {"by_name": self.by_name, "replace": self.replace, "dry_run": self.dry_run}
        file = label_files.own_file(public_id, who())
        params = label_import_job.params_for(file, get_label_cards(""), **flags)
        return label_import_job.enqueue(params, _sender())


def _sender() -> Sender:
    return Sender(owner(), who(), request.headers.get("Idempotency-Key", ""))
