"""The job that takes in many photos: from zips, groups of files, or a folder of the server."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from sqlalchemy.exc import SQLAlchemyError

from webapp.domain import count
from webapp.errors import (
    BadArchiveError,
    BadRequestError,
    MarqueError,
    NotAPhotoError,
    PhotoRefusedError,
)
from webapp.inference.classifier import Classifier
from webapp.reports.csv_safety import to_csv
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, cut
from webapp.services.jobs.queue import Job, Sender, known_job, new_id
from webapp.services.labels.import_plan import names_of_labels
from webapp.services.labels.label_mapping import current_cards
from webapp.services.labels.relabel import check_label
from webapp.services.photos.archives import Entry, Folder, Zips, folder_below
from webapp.services.photos.classify import Incoming, Origin, Pipeline, classify_photo
from webapp.services.photos.spool import Spool, allowance_of, clear_abandoned
from webapp.storage.database import count_rows
from webapp.storage.tables import Photo

_LEAST_PART = 20  # files of a part: it opens the zip anew
_SKIPPED, _REFUSED = "skipped", "refused"

_log = logging.getLogger("marque.jobs")


# ---- enqueue ----


@dataclass(frozen=True)
class UploadOrder:
    """An upload that somebody wants done: the job's params and title, and who sends it."""

    params: Json
    title: str
    sender: Sender


def make_params(
    classifiers: Sequence[Classifier],
    model: str,
    place: str = "upload",
    ground_truth: str = "",
    folders: bool = False,
) -> Json:
    """The job's params. With `folders` the folder that a photo lies in names its ground truth.

    `classifiers` are what the choice of a `model` means now. Raises `UnknownLabelError`.
    """
    if ground_truth:
        check_label(ground_truth, current_cards([each.card for each in classifiers]))
    return {
        "model": model,
        "ground_truth": ground_truth,
        "folders": folders,
        "place": place,
        "folder": "",
    }


def enqueue_zip(data: Path, stream: IO[bytes], order: UploadOrder) -> Job:
    """Store a zip and enqueue its job, both committed on return.

    Raises `BadArchiveError`, `StorageFullError`, or what `queue.enqueue` raises; nothing is stored
    then.
    """
    if (known := known_job(order.sender)) is not None and known.title == order.title:
        return known
    spool = Spool(data, new_id(), allowance_of(order.sender.owner))
    spool.add_zip(stream)
    return enqueue_spool(spool, order)


def enqueue_spool(spool: Spool, order: UploadOrder) -> Job:
    """Enqueue the job for what waits in a spool.

    Raises `BadRequestError` when that is nothing, `BadArchiveError` when it is too much.
    """
    if not spool.zips():
        raise BadRequestError(
            "No file came with it. Choose a zip or some photos, then send them again."
        )
    clear_abandoned(spool.folder.parents[1])
    try:
        spool.check_number()
        job = _enqueue(order, spool.folder.name)
    except BaseException:
        spool.clear()
        raise
    if job.public_id != spool.folder.name:  # the same was sent before
        spool.clear()
    return job


def enqueue_folder(allowed: Path | None, name: str, order: UploadOrder) -> Job:
    """Enqueue the job for the photos below a folder of the server.

    Raises `BadRequestError`, or what `queue.enqueue` raises.
    """
    folder = folder_below(allowed, name)
    return _enqueue(replace(order, params=order.params | {"folder": str(folder)}), new_id())


def _enqueue(order: UploadOrder, job_id: str) -> Job:
    return queue.enqueue(JOB_TYPE, order.params, order.title, order.sender, public_id=job_id)


# ---- the job ----


def _source(job: RunningJob) -> Zips | Folder:
    if job.params["folder"]:
        return Folder(Path(job.params["folder"]))
    zips = Spool(job.tools.config.data, job.id).zips()
    if not zips:
        raise BadArchiveError(
            "What was sent is not in the data folder any more. "
            "Put it back and let this go on, or send it again."
        )
    return Zips(zips)


def _plan(job: RunningJob) -> list[Json]:
    """Parts of the files that may be photos. Planning again gives the same parts."""
    with _source(job) as source:
        entries = source.entries()
    wanted = [[entry.key, entry.name, ""] for entry in entries if not entry.why_not]
    left_out = [["", entry.name, entry.why_not] for entry in entries if entry.why_not]
    job.say(f"{len(wanted):,} files to classify, {len(left_out):,} left out.")
    parts = [*cut(wanted, _LEAST_PART), left_out]
    return [{"files": files, "total": len(files)} for files in parts if files]


def _do(job: RunningJob) -> Json:
    """Classify the files of one part, and say which were refused and why.

    May run twice: photos are known by the SHA-256 of their bytes, so the second time finds them
    stored, with predictions and label. Counts are made at the end, from what is stored.
    """
    params, tools = job.params, job.tools
    classifiers = tools.classifiers(params["model"])
    pipeline = Pipeline(classifiers, tools.files, tools.limiter, tools.detector())
    cards = [classifier.card for classifier in pipeline.classifiers]
    names = names_of_labels(cards) if params["folders"] else {}
    troubles: list[list[str]] = []
    refused, strange = 0, Counter[str]()
    with _source(job) as source:
        for number, (key, name, why_not) in enumerate(job.part["files"], 1):
            entry, label = Entry(key, name, why_not), params["ground_truth"]
            if params["folders"] and not why_not:
                label = names.get(entry.folder.casefold(), "")
            trouble = _store(job, source, entry, pipeline, label)
            if trouble:
                troubles.append([name, *trouble])
                refused += trouble[0] == _REFUSED
            elif params["folders"] and not label:
                strange[entry.folder] += 1
            job.progress(number, failed=refused)
    return {"troubles": troubles, "strange": dict(strange), "files": len(job.part["files"])}


def _store(
    job: RunningJob, source: Zips | Folder, entry: Entry, pipeline: Pipeline, label: str
) -> tuple[str, str] | None:
    """Classify and store one photo; why it was left out, if it was."""
    if entry.why_not:
        return _SKIPPED, entry.why_not
    try:
        incoming = Incoming(entry.filename, source.read(entry.key))
        classify_photo(incoming, pipeline, Origin(job.who, job.params["place"], label, job.id))
    except NotAPhotoError:
        return _SKIPPED, "not an image we read"
    except PhotoRefusedError as error:
        return _REFUSED, str(error)
    except (MarqueError, SQLAlchemyError):
        raise  # not this photo's fault
    except Exception as error:  # one strange file must not keep the others out
        _log.exception("job %s: %s", job.id, entry.name)
        return _REFUSED, f"Something went wrong with it on the server ({type(error).__name__})."
    return None


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos came in, how many were here already, what was left out."""
    files, kinds, strange = 0, Counter[str](), Counter[str]()
    for result in results:
        files += result["files"]
        kinds.update(kind for _name, kind, _why in result["troubles"])
        strange.update(result["strange"])
    added = count_rows(Photo, Photo.batch == job.id)
    known = max(0, files - added - kinds.total())
    total = {"added": added, "known": known, _SKIPPED: kinds[_SKIPPED], _REFUSED: kinds[_REFUSED]}
    job.say(summary(total))
    return total | {"strange": dict(strange)}


# ---- what came of it ----


def summary(result: Json) -> str:
    """What came of an upload in a sentence or two."""
    text, why = count(result["added"], "photo is new", "photos are new"), []
    if known := result["known"]:
        text += f", {count(known, 'was', 'were')} here already"
    if skipped := result[_SKIPPED]:
        why.append(count(skipped, "file is not a photo", "files are not photos"))
    if refused := result[_REFUSED]:
        why.append(count(refused, "photo was refused", "photos were refused"))
    return f"{text}. {', '.join(why)}." if why else f"{text}."


def left_out(results: Iterable[Json]) -> list[list[str]]:
    """The files that were left out, in order: name, "skipped" (no photo) or "refused", and why."""
    return [line for result in results for line in result.get("troubles", [])]


def left_out_csv(results: Iterable[Json]) -> str:
    """`left_out` as a table."""
    return to_csv(("file", "what", "why"), left_out(results))


JOB_TYPE = JobType(
    "upload",
    "Upload",
    _do,
    plan=_plan,
    finish=_finish,
    clear=lambda job_id, _params, tools: Spool(tools.config.data, job_id).clear(),
    summary=summary,
)
