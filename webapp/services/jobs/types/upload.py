"""The job that takes in many photos at once: from zips, from many files sent in groups, or from a folder of the server."""

import logging
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from sqlalchemy.exc import SQLAlchemyError

from webapp.errors import (
    BadArchiveError,
    BadRequestError,
    JobNotFoundError,
    JobRefusedError,
    MarqueError,
    NotAPhotoError,
    PhotoRefusedError,
    StorageFullError,
)
from webapp.inference.classifier import Classifier
from webapp.reports.csv_safety import to_csv
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.jobs.queue import Job, Owner, Sender, known_job, new_id
from webapp.services.labels.label_import import names_of_labels
from webapp.services.labels.relabel import check_label
from webapp.services.photos.archives import (
    MOST_FILES,
    UNPACKED_BYTES,
    Entry,
    Folder,
    Source,
    Zips,
    folder_below,
    open_zip,
)
from webapp.services.photos.classify import Incoming, Origin, Pipeline, classify_photo
from webapp.storage import jobs as storage
from webapp.storage.photos import photos

SPOOL = "spool"
LEAST_PART, MOST_PARTS = 20, 200
"""Photos of a part, and parts of a job: small enough to spread and to begin again, few enough that the zip is not opened too often."""
RESERVE = 200 * 2**20
"""Bytes of the disk that a zip must leave free."""
ABANDONED = timedelta(days=1)
CHUNK = 2**20


@dataclass(frozen=True)
class Allowance:
    """What one upload may bring: `bytes` as it is sent, and `files`. `who` it is for, as a sentence about it begins."""

    bytes: int
    files: int
    who: str

    @property
    def words(self) -> str:
        """The same for people."""
        size = (
            f"{self.bytes // 2**30:,} GB" if self.bytes >= 2**30 else f"{self.bytes // 2**20:,} MB"
        )
        return f"{self.who} may have {size} and {self.files:,} files"


PEOPLE = Allowance(UNPACKED_BYTES, MOST_FILES, "An upload")
VISITORS = Allowance(500 * 2**20, 5_000, "Without a login an upload")

SKIPPED, REFUSED = "skipped", "refused"

log = logging.getLogger("marque.jobs")


# ---- what is sent waits in the data folder ----


def allowance_of(owner: Owner) -> Allowance:
    """What an upload of this owner may bring: less for who has neither a login nor a key."""
    return PEOPLE if owner.id.startswith(("user:", "key:")) else VISITORS


def keep_zip(
    data: Path, job_id: str, stream: IO[bytes], group: int = 0, allowance: Allowance = PEOPLE
) -> None:
    """Keep a zip for a job that will be put in. Raises `BadArchiveError` when it is none or too much, `StorageFullError`: it is not kept.

    Sent again with the same `group` it takes the place of the first.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    with _Arriving(data, job_id, group, length, allowance) as target:
        with target.open("wb") as file:
            shutil.copyfileobj(stream, file, CHUNK)
        open_zip(target).close()


def keep_files(
    data: Path, job_id: str, files: Iterable[Incoming], group: int, allowance: Allowance = PEOPLE
) -> None:
    """Keep a group of photos for a job that will be put in, as a zip of ours. Raises like `keep_zip`."""
    several = list(files)
    length = sum(len(one.content) for one in several)
    with (
        _Arriving(data, job_id, group, length, allowance) as target,
        zipfile.ZipFile(target, "w") as archive,
    ):
        for one in several:
            archive.writestr(
                zipfile.ZipInfo(one.filename.replace("\\", "/").lstrip("/") or "photo"), one.content
            )


def forget(data: Path, job_id: str) -> None:
    """Remove what was kept for a job."""
    shutil.rmtree(_spool(data, job_id), ignore_errors=True)


def forget_abandoned(data: Path) -> None:
    """Remove what was sent a day ago or earlier for jobs that were never put in."""
    before = (datetime.now(UTC) - ABANDONED).timestamp()
    folder = data / SPOOL
    for one in folder.iterdir() if folder.is_dir() else ():
        if one.stat().st_mtime < before and storage.find_job(one.name) is None:
            shutil.rmtree(one, ignore_errors=True)


def was_kept(data: Path, job_id: str) -> bool:
    """True when something was kept for a job."""
    return bool(_zips(data, job_id))


def check_open(data: Path, job_id: str) -> None:
    """See that more may be kept for a job: nobody may add to the work of others, or make the job whose name photos bear already.

    Raises `JobNotFoundError` unless something is kept for it, under an id of ours, and `JobRefusedError` when it was put in.
    """
    if not was_kept(data, job_id):
        raise JobNotFoundError(
            "What was sent before is not there any more. Nothing was stored: send all of it again."
        )
    if storage.find_job(job_id) is not None:
        raise JobRefusedError(
            "This upload is complete already. Nothing was added: send more as another one."
        )


class _Arriving:
    """A file that takes its place in the spool only when it is whole."""

    def __init__(
        self, data: Path, job_id: str, group: int, length: int, allowance: Allowance
    ) -> None:
        self._target = _spool(data, job_id) / f"{group:06d}.zip"
        self._part = self._target.with_suffix(".part")
        self._length = length
        self._data = data
        self._job_id = job_id
        self._allowance = allowance

    def __enter__(self) -> Path:
        others = sum(
            one.stat().st_size for one in _zips(self._data, self._job_id) if one != self._target
        )
        if others + self._length > self._allowance.bytes:
            forget(self._data, self._job_id)
            raise _too_much(self._allowance)
        if shutil.disk_usage(self._data).free < self._length + RESERVE:
            raise StorageFullError(
                "The server's disk has no room for this. Nothing was stored: send less, or tell the admin."
            )
        self._part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._part

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        if error is None:
            self._part.replace(self._target)
            return
        self._part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageFullError(
                "The server's disk is full or cannot be written. Nothing was stored: tell the admin."
            ) from error


def _too_much(allowance: Allowance) -> BadArchiveError:
    way_out = "log in, or send it in parts" if allowance is VISITORS else "send it in parts"
    return BadArchiveError(f"{allowance.words}; this one has more. Nothing was stored: {way_out}.")


def _check_number(data: Path, job_id: str, allowance: Allowance) -> None:
    files = 0
    for path in _zips(data, job_id):
        with open_zip(path) as archive:
            files += sum(not member.is_dir() for member in archive.infolist())
    if files > allowance.files:
        raise _too_much(allowance)


def _spool(data: Path, job_id: str) -> Path:
    if not re.fullmatch(r"[\w-]{8,24}", job_id, re.ASCII):
        raise JobNotFoundError("Nothing can be kept under this name.")
    return data / SPOOL / job_id


def _zips(data: Path, job_id: str) -> list[Path]:
    return sorted(_spool(data, job_id).glob("*.zip"))


# ---- putting in ----


@dataclass(frozen=True)
class UploadOrder:
    """An upload that somebody wants done: the job's params and title, and who sends it."""

    params: Json
    title: str
    sender: Sender


def take_zip(data: Path, stream: IO[bytes], order: UploadOrder) -> Job:
    """Keep a zip and put in its job; returns the job. Acknowledged means kept and committed.

    Raises `BadArchiveError`, `StorageFullError`, or what `queue.enqueue` raises; nothing is kept then.
    """
    if (known := known_job(order.sender)) is not None and known.title == order.title:
        return known
    job_id = new_id()
    keep_zip(data, job_id, stream, allowance=allowance_of(order.sender.owner))
    return take_kept(data, job_id, order)


def take_kept(data: Path, job_id: str, order: UploadOrder) -> Job:
    """Put in the job for which something was kept. Raises `BadRequestError` when nothing was, `BadArchiveError` when it is too much."""
    if not was_kept(data, job_id):
        raise BadRequestError(
            "No file came with it. Choose a zip or some photos, then send them again."
        )
    forget_abandoned(data)
    try:
        _check_number(data, job_id, allowance_of(order.sender.owner))
        job = _enqueue(order, job_id)
    except BaseException:
        forget(data, job_id)
        raise
    if job.public_id != job_id:
        forget(data, job_id)
    return job


def take_folder(allowed: Path | None, name: str, order: UploadOrder) -> Job:
    """Put in the job that takes in the photos below a folder of the server. Raises `BadRequestError`, or what `queue.enqueue` raises."""
    folder = folder_below(allowed, name)
    return _enqueue(replace(order, params=order.params | {"folder": str(folder)}), new_id())


def _enqueue(order: UploadOrder, job_id: str) -> Job:
    return queue.enqueue(JOB_TYPE, order.params, order.title, order.sender, public_id=job_id)


def summary(result: Json) -> str:
    """What came of an upload in a sentence or two."""
    added, known = result["added"], result["known"]
    said = f"{added:,} photo{'s are' if added != 1 else ' is'} new"
    here = f", {known:,} {'were' if known != 1 else 'was'} here already" if known else ""
    out = result[SKIPPED] + result[REFUSED]
    left = f" {out:,} file{'s were' if out != 1 else ' was'} left out: {result[SKIPPED]:,} no photos, {result[REFUSED]:,} refused."
    return f"{said}{here}.{left if out else ''}"


def left_out(results: Iterable[Json]) -> list[list[str]]:
    """The files that were left out, in order: name, "skipped" (no photo) or "refused", and why."""
    return [line for one in results for line in one.get("troubles", [])]


def left_out_csv(results: Iterable[Json]) -> str:
    """The same as a table."""
    return to_csv(("file", "what", "why"), left_out(results))


# ---- the job ----


def question(
    classifiers: Sequence[Classifier],
    *,
    model: str,
    ground_truth: str = "",
    folders: bool = False,
    place: str = "upload",
) -> Json:
    """What an upload job is asked. With `folders` the name of the folder that a photo lies in is its ground truth.

    `model` is who looks at the photos and `classifiers` those that this means now. Raises `UnknownLabelError` for a strange ground truth.
    """
    if ground_truth:
        check_label(ground_truth, [one.card for one in classifiers])
    return {
        "model": model,
        "ground_truth": ground_truth,
        "folders": folders,
        "place": place,
        "folder": "",
    }


def _source(job: RunningJob) -> Source:
    if job.params["folder"]:
        return Folder(Path(job.params["folder"]))
    zips = _zips(job.tools.data, job.id)
    if not zips:
        raise BadArchiveError(
            "What was sent is not in the data folder any more. Put it back and let this go on, or send it again."
        )
    return Zips(zips)


def plan(job: RunningJob) -> list[Json]:
    """Parts of the files that may be photos. Planning again gives the same parts: the source is read in its own order."""
    with _source(job) as source:
        entries = source.entries()
    wanted = [one for one in entries if not one.why_not]
    size = max(LEAST_PART, -(-len(wanted) // MOST_PARTS))
    job.say(f"{len(wanted):,} files to look at, {len(entries) - len(wanted):,} left out.")
    parts = [
        {
            "files": [[one.key, one.name, ""] for one in wanted[at : at + size]],
            "total": len(wanted[at : at + size]),
        }
        for at in range(0, len(wanted), size)
    ]
    left_out = [["", one.name, one.why_not] for one in entries if one.why_not]
    return [*parts, {"files": left_out, "total": len(left_out)}] if left_out else parts


def do(job: RunningJob) -> Json:
    """Classify the files of one part, one after the other, and say which were refused and why.

    May run twice: photos are known by the SHA-256 of their bytes, so the second time finds them stored, with their answer and label, and
    changes nothing. Counts are made at the end, from what is stored.
    """
    asked = job.params
    tools = job.tools
    pipeline = Pipeline(tools.classifiers(asked["model"]), tools.files, tools.limiter)
    cards = [classifier.card for classifier in pipeline.classifiers]
    names = names_of_labels(cards) if asked["folders"] else {}
    troubles: list[list[str]] = []
    refused, strange = 0, Counter[str]()
    with _source(job) as source:
        for number, (key, name, why_not) in enumerate(job.part["files"], 1):
            entry, label = Entry(key, name, why_not), asked["ground_truth"]
            if asked["folders"] and not why_not:
                label = names.get(entry.folder.casefold(), "")
            trouble = _take(job, source, entry, pipeline, label)
            if asked["folders"] and not trouble and not label:
                strange[entry.folder] += 1
            if trouble:
                troubles.append([name, *trouble])
                refused += trouble[0] == REFUSED
            job.progress(number, failed=refused)
    return {"troubles": troubles, "strange": dict(strange), "files": len(job.part["files"])}


def _take(
    job: RunningJob,
    source: Source,
    entry: Entry,
    pipeline: Pipeline,
    label: str,
) -> tuple[str, str] | None:
    """Store one photo; what went wrong, if something did."""
    if entry.why_not:
        return SKIPPED, entry.why_not
    try:
        incoming = Incoming(entry.filename, source.read(entry.key))
        classify_photo(incoming, pipeline, Origin(job.who, job.params["place"], label, job.id))
    except NotAPhotoError:
        return SKIPPED, "not an image we read"
    except PhotoRefusedError as error:
        return REFUSED, str(error)
    except (MarqueError, SQLAlchemyError):
        raise  # not this photo's fault
    except Exception as error:  # one strange file must not keep the others out
        log.exception("job %s: %s", job.id, entry.name)
        return REFUSED, f"Something went wrong with it on the server ({type(error).__name__})."
    return None


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos came in with this job, how many were here already, what was left out and why. Counting twice gives the same."""
    files, kinds, strange = 0, Counter[str](), Counter[str]()
    for one in results:
        files += one["files"]
        kinds.update(kind for _name, kind, _why in one["troubles"])
        strange.update(one["strange"])
    added = photos.count_batch(job.id)
    left_out = kinds[SKIPPED] + kinds[REFUSED]
    here = max(0, files - added - left_out)
    job.say(
        f"{added:,} photos are new, {here:,} were here already, {kinds[SKIPPED]:,} files are no photos, {kinds[REFUSED]:,} were refused."
    )
    return {
        "added": added,
        "known": here,
        SKIPPED: kinds[SKIPPED],
        REFUSED: kinds[REFUSED],
        "strange": dict(strange),
    }


def clear(job_id: str, _asked: Json, tools: Tools) -> None:
    """Remove the zips."""
    forget(tools.data, job_id)


JOB_TYPE = JobType(
    name="upload", title="Upload", plan=plan, do=do, finish=finish, clear=clear, summary=summary
)
