"""How a job of each kind is put in through JSON."""

from collections.abc import Callable
from typing import Any

from flask import request

from webapp.api.authentication import need, owner, who
from webapp.api.schemas.jobs import (
    CompareBody,
    ExportBody,
    JobForm,
    KeepBody,
    ManyBody,
    PredictBody,
    RankBody,
    UploadBody,
)
from webapp.errors import ModelUnavailableError, NoFileError
from webapp.extensions import get_cards, get_config, get_extensions, get_registry, get_version_card
from webapp.http.rate_limits import count_photos
from webapp.inference.models.card import ModelCard
from webapp.services.jobs.queue import Job, Sender, known_job
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.jobs.types import compare as compare_job
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types import label_import as label_import_job
from webapp.services.jobs.types import predict as predict_job
from webapp.services.jobs.types import reclassify as reclassify_job
from webapp.services.jobs.types import retention as retention_job
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.compare import ComparisonOrder
from webapp.services.jobs.types.upload import UploadOrder
from webapp.services.labels import label_import
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import Selection
from webapp.services.photos.classify import clean_name
from webapp.storage.labels.events import Stamp


def _upload(asked: UploadBody | JobForm) -> Job:
    """Photos in a zip; with a key of the scope `admin` also in a folder of the server."""
    classifiers = get_extensions().classifiers(asked.model)
    params = upload_job.make_params(
        classifiers, asked.model, "api", asked.ground_truth, asked.folders
    )
    sent = request.files.get("file")
    title = asked.folder if sent is None else clean_name(sent.filename or "photos.zip")
    order = UploadOrder(params, title, _sender())
    if sent is not None:
        return upload_job.enqueue_zip(get_config().data, sent.stream, order)
    if not asked.folder:
        raise NoFileError(
            "Send a zip of photos in a field called file: curl -F kind=upload -F file=@photos.zip"
        )
    need("admin")
    return upload_job.enqueue_folder(get_config().import_folder, asked.folder, order)


def _export(asked: ExportBody) -> Job:
    """What a filter leaves, in one of the formats."""
    need("admin" if asked.metadata else "review")
    order = asked.order(asked.filter.wanted())
    return export_job.enqueue(order, get_config().data, _sender())


def _bulk(asked: ManyBody) -> Job:
    """One action on all photos that pass a filter, or the undo of a batch."""
    need("admin" if asked.action == bulk_job.DELETE else "review")
    if asked.action == bulk_job.UNDO:
        params = bulk_job.undo_params(asked.batch, "api")
    else:
        cards = _cards(asked.model) if asked.action == bulk_job.LABEL else []
        selection, stamp = Selection(wanted=asked.filter.wanted()), Stamp(who(), "api", asked.why)
        params = bulk_job.action_params(asked.action, selection, stamp, cards, asked.label)
    return bulk_job.enqueue(params, _sender())


def _labels(asked: JobForm) -> Job:
    """A file of labels: a look at it, or its import."""
    need("review")
    sent = request.files.get("file")
    if sent is None:
        raise NoFileError(
            "Send a file of labels in a field called file: curl -F kind=labels -F file=@labels.csv"
        )
    name = clean_name(sent.filename or "labels.csv")
    known = known_job(_sender())
    if known is not None and (known.type, known.title) == (label_import_job.JOB_TYPE.name, name):
        return known
    public_id = label_import.keep_file(name, sent.read(label_import.MAX_BYTES + 1), who=who())
    flags = {"by_name": asked.by_name, "replace": asked.replace, "dry_run": asked.dry_run}
    file = label_import.own_file(public_id, who())
    params = label_import_job.params_for(file, _cards(""), **flags)
    return label_import_job.enqueue(params, _sender())


def _keep(asked: KeepBody) -> Job:
    """Keep photos by a rule and delete the rest."""
    need("admin")
    age = deleting.parse_age(asked.older_than)
    return retention_job.enqueue(asked.per_class, age, _sender())


def _predict(asked: PredictBody) -> Job:
    """A photo that is here, for the site's model."""
    photo = history.get_item(asked.photo).photo
    count_photos()
    return predict_job.enqueue(photo, _sender())


def _rank(asked: RankBody) -> Job:
    """A version looks at the whole history, or at what a filter lets through."""
    need("review")
    selection = Selection(wanted=asked.filter.wanted())
    return reclassify_job.enqueue(get_registry(), asked.model, asked.version, selection, _sender())


def _compare(asked: CompareBody) -> Job:
    """Two versions look at the newest photos."""
    need("admin")
    registry = get_registry()
    champion = asked.champion or registry.card(asked.model).version
    wanted = ComparisonOrder(asked.model, champion, asked.challenger, asked.newest)
    return compare_job.enqueue(registry, wanted, _sender())


def _cards(model: str) -> list[ModelCard]:
    """The models whose labels may be given. Raises `ModelUnavailableError` when there is none."""
    cards = [get_version_card(model)] if model else get_cards()
    if not cards:
        raise ModelUnavailableError(
            "No model is live, so it is not known which labels there are. Nothing was changed."
        )
    return cards


def _sender() -> Sender:
    return Sender(owner(), who(), request.headers.get("Idempotency-Key", ""))


ADD_JOB: dict[str, Callable[[Any], Job]] = {
    "upload": _upload,
    "export": _export,
    "many": _bulk,
    "labels": _labels,
    "keep": _keep,
    "predict": _predict,
    "rank": _rank,
    "compare": _compare,
}
"""By kind. Each checks who may."""
