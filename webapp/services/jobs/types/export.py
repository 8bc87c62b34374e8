"""The job that makes an export in the data folder, piece by piece, where it can be fetched for some
days."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from webapp.domain import SUCCEEDED, count
from webapp.errors import ExportError, JobNotFoundError, NotAllowedError, StorageFullError
from webapp.gallery_filter import parse_filter
from webapp.services.exports import order as orders
from webapp.services.exports.export_format import Record, replacing, write_whole
from webapp.services.exports.formats import FORMATS, find_format
from webapp.services.exports.order import ExportOrder, left_out, number_after
from webapp.services.exports.run import MOST_LOST, ExportCounts, ExportRun, as_json
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools, walk
from webapp.services.jobs.queue import Job, JobView, Sender
from webapp.storage import exports as storage
from webapp.storage import jobs
from webapp.storage.database import last_id, writing
from webapp.storage.tables import LabelEvent, Photo, now

KEPT = timedelta(days=7)
_FOLDER = "exports"  # in the data folder
_MANIFEST = "manifest.json"
_QUOTA = 20 * 2**30  # bytes that exports may take there, all together
_RESERVE = 200 * 2**20  # bytes of the disk that an export must leave free
_PIECE = 1_000  # photos of a piece of a table


# ---- adding, fetching, removing ----


def enqueue(order: ExportOrder, data: Path, sender: Sender) -> Job:
    """Enqueue the job.

    Raises:
        BadRequestError: There is no photo `order.after`.
        StorageFullError: The exports that are there leave no room.
    """
    number_after(order.after)
    _check_room(data)
    params = asdict(order) | {"format": order.format.name, "wanted": order.filter}
    words = (
        "picked photos" if name == "picked" else f"{name} {value}"
        for name, value in order.filter.items()
    )
    title = f"{order.format.title}: {', '.join(words) or 'everything'}"
    return queue.enqueue(JOB_TYPE, params, title, sender)


def file_of(view: JobView, name: str, data: Path, *, admin: bool) -> tuple[Path, str, str]:
    """A file of an export that is ready: its path, its media type, and its SHA-256 ("" for that of
    the manifest).

    Raises:
        JobNotFoundError: There is none such, or not any more.
        NotAllowedError: Its photos carry their metadata, which is for admins.
    """
    known = {file["name"]: file["sha256"] for file in files_of(view)} | {_MANIFEST: ""}
    path = folder_of(data, view.job.public_id) / name
    ready = view.job.type == JOB_TYPE.name and view.state == SUCCEEDED
    if not ready or name not in known or not path.is_file():
        raise JobNotFoundError(
            f"There is no such file here. Exports are removed after {KEPT.days} days; make it once "
            "more."
        )
    if view.job.params["keep_metadata"] and not admin:
        raise NotAllowedError(
            "These photos carry what they tell about place, time and camera. Only an admin may "
            "have them so."
        )
    spec = FORMATS[view.job.params["format"]]
    return path, "application/json" if name == _MANIFEST else spec.content_type, known[name]


def files_of(view: JobView) -> list[Json]:
    """The files of an export that can be fetched now: name, bytes, sha256, photos."""
    if view.job.type != JOB_TYPE.name or view.job.cleared_at or not view.job.result:
        return []
    return list(view.job.result["files"])


def remove_files(view: JobView, data: Path) -> None:
    """Remove the files of an export before their time. Raises `JobNotFoundError` when there are
    none."""
    if not files_of(view):
        raise JobNotFoundError("There are no files of it any more.")
    shutil.rmtree(folder_of(data, view.job.public_id), ignore_errors=True)
    with writing():
        jobs.change_job(view.job.id, SUCCEEDED, cleared_at=now())


def folder_of(data: Path, job_id: str) -> Path:
    """Where the files of an export lie."""
    if not re.fullmatch(r"[\w-]{8,24}", job_id, re.ASCII):
        raise JobNotFoundError("Nothing is kept under this name.")
    return data / _FOLDER / job_id


# ---- the job ----


def _plan(job: RunningJob) -> list[Json]:
    """Pieces, each with the number before its first photo and that of its last one. Photos that
    come later are in none."""
    order = _order(job)
    first, upto = number_after(order.after), last_id(Photo)
    common = {"made": now().isoformat(), "event": last_id(LabelEvent)}
    selection = storage.ExportSelection(order.wanted, upto, order.needs)
    zips = order.format.holds_photos
    size = orders.ZIP_PHOTOS if zips else _PIECE
    pieces = []
    for after, numbers in walk(lambda last: storage.next_numbers(selection, last, size), first):
        pieces.append((after, numbers[-1], len(numbers)))
        job.progress(0)
    total = sum(photos for *_range, photos in pieces)
    job.say(f"{total:,} photos to write.")
    if not pieces or not (zips or order.format.goes_on):
        pieces = [(first, upto, total)]  # a document of JSON, or the heading of an empty file
    return [
        common
        | {"number": number, "of": len(pieces)}
        | {"after": after, "upto": upto, "total": photos}
        for number, (after, upto, photos) in enumerate(pieces, 1)
    ]


def _do(job: RunningJob) -> Json:
    """Write one piece into the data folder.

    May run twice: a piece is written beside its place, which it takes when it is whole.
    """
    order, part = _order(job), job.part
    folder = folder_of(job.tools.config.data, job.id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_room(job.tools.config.data)
    made = datetime.fromisoformat(part["made"])
    run = ExportRun(order, job.tools, part["event"], made, heading=part["number"] == 1)
    counts = run.counts

    def photos() -> Iterator[Record]:
        for record in run.records(part["after"], part["upto"]):
            counts.add(order.truths(record), record.row.public_id)
            yield record
            job.progress(counts.photos)

    which = f"-{part['number']}-of-{part['of']}" if part["of"] > 1 else ""
    name = order.file_name(made, which)
    if order.format.goes_on:  # put together at the end
        name = f"piece-{part['number']:06d}"
    with _writing_file(folder / name) as stream:
        for content in run.write(photos()):
            stream.write(content)
    return counts.checksum | {
        "name": name,
        "photos": counts.photos,
        "classes": dict(counts.classes),
        "left_out": dict(counts.left_out),
        "lost": counts.lost,
        "made": part["made"],
        "event": part["event"],
    }


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """Put the pieces together where they are one file, and write the manifest.

    May run twice: the file takes its place when it is whole, and the pieces go after that.
    """
    order, pieces = _order(job), list(results)
    folder = folder_of(job.tools.config.data, job.id)
    made = datetime.fromisoformat(pieces[0]["made"])
    files = pieces
    if order.format.goes_on:
        files = [_joined(job, folder / order.file_name(made), pieces)]
    listed = [
        {name: file[name] for name in ("name", "bytes", "sha256", "photos")} for file in files
    ]
    run = ExportRun(order, job.tools, pieces[0]["event"], made, _sum(order, pieces))
    manifest = run.manifest | {"files": listed}
    write_whole(folder / _MANIFEST, as_json(manifest))
    for left in folder.glob(".*.part"):
        left.unlink(missing_ok=True)
    files_made = count(len(listed), "file")
    job.say(f"{manifest['photos']:,} photos in {files_made}. They are kept for {KEPT.days} days.")
    told = ("photos", "classes", "left_out", "lost", "label_event")
    until = (now() + KEPT).isoformat(timespec="seconds")
    return {name: manifest[name] for name in told} | {"files": listed, "until": until}


def _summary(result: Json) -> str:
    lost = len(result["lost"])
    missing = f" The files of {lost:,} more are missing or damaged." if lost else ""
    return f"{count(result['photos'], 'photo')} exported.{missing}"


def _clear(job_id: str, _params: Json, tools: Tools) -> None:
    shutil.rmtree(folder_of(tools.config.data, job_id), ignore_errors=True)


# ---- parts ----


def _order(job: RunningJob) -> ExportOrder:
    format, wanted = find_format(job.params["format"]), parse_filter(job.params["wanted"])
    return ExportOrder(**job.params | {"format": format, "wanted": wanted})


def _joined(job: RunningJob, path: Path, pieces: list[Json]) -> Json:
    """All pieces as one file."""
    sources = [path.with_name(piece["name"]) for piece in pieces]
    if not path.exists():
        with _writing_file(path) as stream:
            for source in sources:
                with source.open("rb") as piece:
                    shutil.copyfileobj(piece, stream)
                job.progress(0)
    for source in sources:
        source.unlink(missing_ok=True)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "photos": sum(piece["photos"] for piece in pieces),
    }


def _sum(order: ExportOrder, pieces: list[Json]) -> ExportCounts:
    """The counts of all pieces."""
    counts = ExportCounts()
    for piece in pieces:
        counts.photos += piece["photos"]
        counts.classes.update(piece["classes"])
        counts.left_out.update(piece["left_out"])
        counts.lost = [*counts.lost, *piece["lost"]][:MOST_LOST]
    counts.left_out.update(left_out(order))
    return counts


def _check_room(data: Path) -> None:
    """Raise `StorageFullError` when exports have their share of the disk, or it is nearly full."""
    files = (file for file in (data / _FOLDER).rglob("*") if file.is_file())
    if sum(file.stat().st_size for file in files) >= _QUOTA:
        raise StorageFullError(
            f"Exports take the {_QUOTA // 2**30} GB that they may have. Remove the files of another"
            " one on its job's page, then go on."
        )
    if shutil.disk_usage(data).free < _RESERVE:
        raise StorageFullError(
            "The server's disk has no room for this. What was written is kept: make room, then go "
            "on."
        )


@contextmanager
def _writing_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all; errors of the disk in words for people."""
    try:
        with replacing(path, shared=True) as stream:
            yield stream
    except FileNotFoundError as error:
        raise ExportError(
            "A piece of this export is gone from the data folder. Make it once more."
        ) from error
    except OSError as error:
        raise StorageFullError(
            "The server's disk is full or cannot be written. What was written before is kept."
        ) from error


JOB_TYPE = JobType(
    "export",
    "Export",
    _do,
    plan=_plan,
    finish=_finish,
    clear=_clear,
    kept=KEPT,
    summary=_summary,
)
