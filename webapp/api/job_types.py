"""How a job of each kind is put in through JSON."""

from collections.abc import Callable
from typing import Any

from flask import request

from webapp.api.authentication import need, owner, who
from webapp.api.schemas.requests import (
    CompareBody,
    ExportBody,
    Filters,
    JobForm,
    KeepBody,
    ManyBody,
    PredictBody,
    RankBody,
    UploadBody,
)
from webapp.domain import GalleryFilter
from webapp.errors import ModelUnavailableError, NoFileError
from webapp.extensions import (
    get_cards,
    get_classifiers,
    get_config,
    get_registry,
    get_version_card,
    ring,
)
from webapp.http.rate_limits import count_photos
from webapp.inference.models.card import ModelCard
from webapp.services.exports import export
from webapp.services.jobs.queue import Job, known_job
from webapp.services.jobs.types import bulk as many_later
from webapp.services.jobs.types import compare as replay
from webapp.services.jobs.types import export as export_later
from webapp.services.jobs.types import label_import as labels_later
from webapp.services.jobs.types import predict as predict_later
from webapp.services.jobs.types import reclassify as rank_again
from webapp.services.jobs.types import retention as keep_later
from webapp.services.jobs.types import upload as bulk_upload
from webapp.services.jobs.types.upload import Order
from webapp.services.labels import label_import as import_labels
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.services.photos.classify import clean_name


def _upload(asked: UploadBody | JobForm) -> tuple[Job, bool]:
    """Photos in a zip; with a key of the scope `admin` also in a folder of the server."""
    question = bulk_upload.question(
        get_classifiers(asked.model),
        model=asked.model,
        ground_truth=asked.ground_truth,
        folders=asked.folders,
        place="api",
    )
    sent = request.files.get("file")
    title = asked.folder if sent is None else clean_name(sent.filename or "photos.zip")
    order = Order(question, title, owner(), who(), ring, _key())
    if sent is not None:
        return bulk_upload.take_zip(get_config().data, sent.stream, order)
    if not asked.folder:
        raise NoFileError(
            "Send a zip of photos in a field called file: curl -F kind=upload -F file=@photos.zip"
        )
    need("admin")
    return bulk_upload.take_folder(get_config().import_folder, asked.folder, order)


def _export(asked: ExportBody) -> tuple[Job, bool]:
    """What a filter leaves, in one of the formats."""
    need("admin" if asked.metadata else "review")
    home = request.url_root
    order = export.make_order(
        asked.format,
        _filter(asked.filter),
        after=asked.after,
        keep_metadata=bool(asked.metadata),
        base_url=home,
    )
    return export_later.put_in_order(
        order, get_config().data, owner=owner(), who=who(), ring=ring, key=_key()
    )


def _many(asked: ManyBody) -> tuple[Job, bool]:
    """One action on all photos that a filter lets through, or taking back what was done together."""
    need("admin" if asked.action == many_later.DELETE else "review")
    if asked.action == many_later.UNDO:
        question = many_later.undo_question(asked.batch, place="api")
    else:
        cards = _cards(asked.model) if asked.action == many_later.LABEL else []
        wanted = _filter(asked.filter)
        question = many_later.action_question(
            asked.action, wanted, cards=cards, label=asked.label, why=asked.why, place="api"
        )
    return many_later.put_in_action(question, owner=owner(), who=who(), ring=ring, key=_key())


def _labels(asked: JobForm) -> tuple[Job, bool]:
    """A file of labels: a look at it, or its import."""
    need("review")
    sent = request.files.get("file")
    if sent is None:
        raise NoFileError(
            "Send a file of labels in a field called file: curl -F kind=labels -F file=@labels.csv"
        )
    name = clean_name(sent.filename or "labels.csv")
    known = known_job(_key(), owner())
    if known is not None and (known.kind, known.title) == (labels_later.KIND.name, name):
        return known, False
    public_id = import_labels.keep_file(name, sent.read(import_labels.MAX_BYTES + 1), who=who())
    flags = {"by_name": asked.by_name, "replace": asked.replace, "dry_run": asked.dry_run}
    question = labels_later.question(public_id, _cards(""), who=who(), **flags)
    return labels_later.put_in_file(question, owner=owner(), who=who(), ring=ring, key=_key())


def _keep(asked: KeepBody) -> tuple[Job, bool]:
    """A rule of keeping."""
    need("admin")
    age = deleting.parse_age(asked.older_than)
    return keep_later.put_in_rule(
        asked.per_class, age, owner=owner(), who=who(), ring=ring, key=_key()
    )


def _predict(asked: PredictBody) -> tuple[Job, bool]:
    """A photo that is here, for the site's model."""
    photo = history.get_item(asked.photo).photo
    count_photos()
    return predict_later.put_in_photo(photo, owner=owner(), who=who(), ring=ring, key=_key())


def _rank(asked: RankBody) -> tuple[Job, bool]:
    """A version looks at the whole history, or at what a filter lets through."""
    need("review")
    return rank_again.put(
        get_registry(),
        asked.model,
        asked.version,
        _filter(asked.filter),
        owner=owner(),
        who=who(),
        ring=ring,
        key=_key(),
    )


def _compare(asked: CompareBody) -> tuple[Job, bool]:
    """Two versions look at the newest photos."""
    need("admin")
    registry = get_registry()
    champion = asked.champion or registry.card(asked.model).version
    return replay.put(
        registry,
        asked.model,
        champion,
        asked.challenger,
        newest=asked.newest,
        owner=owner(),
        who=who(),
        ring=ring,
        key=_key(),
    )


def _filter(asked: Filters | None) -> GalleryFilter:
    return asked.wanted() if asked else GalleryFilter()


def _cards(model: str) -> list[ModelCard]:
    """The models whose labels may be given. Raises `ModelUnavailableError` when there is none."""
    cards = [get_version_card(model)] if model else get_cards()
    if not cards:
        raise ModelUnavailableError(
            "No model is live, so it is not known which labels there are. Nothing was changed."
        )
    return cards


def _key() -> str:
    return request.headers.get("Idempotency-Key", "")


STARTERS: dict[str, Callable[[Any], tuple[Job, bool]]] = {
    "upload": _upload,
    "export": _export,
    "many": _many,
    "labels": _labels,
    "keep": _keep,
    "predict": _predict,
    "rank": _rank,
    "compare": _compare,
}
"""By kind. Each checks who may."""
