"""The job that makes an export in the data folder, piece by piece, where it can be fetched for some days."""

import hashlib
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from webapp.domain import SUCCEEDED
from webapp.errors import ExportError, JobNotFoundError, NotAllowedError, StorageFullError
from webapp.gallery_filter import parse_filter
from webapp.services.exports import export
from webapp.services.exports.export import FORMATS, GOES_ON, TYPES, ZIP_PHOTOS, Order, Tally
from webapp.services.exports.formats.folders import Bytes, write_whole, write_zip
from webapp.services.exports.formats.tables import Record
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.jobs.queue import Job, JobView, Sender
from webapp.storage import exports as storage
from webapp.storage import jobs
from webapp.storage.database import writing
from webapp.storage.tables import now

PLACE = "exports"
MANIFEST = "manifest.json"
KEPT = timedelta(days=7)
QUOTA = 20 * 2**30
"""Bytes that exports may take in the data folder, all together."""
RESERVE = 200 * 2**20
"""Bytes of the disk that an export must leave free."""
PIECE, MOST_PARTS = 1_000, 200
"""Photos of a piece at least, and pieces of an export at most, but for zips."""
CHUNK = 2**20
TITLES = {
    "csv": "Table",
    "jsonl": "Lines of JSON",
    "folders": "Photos in folders",
    "coco": "COCO",
    "label-studio": "Label Studio",
}


# ---- putting in, fetching, removing ----


def enqueue(order: Order, data: Path, sender: Sender) -> Job:
    """Enqueue the job. Raises `BadRequestError` when there is no photo `order.after`,
    `StorageFullError` when the exports that lie there leave no room, or what `queue.enqueue` raises."""
    export.number_after(order.after)
    _check_room(data)
    wanted = export.question_of(order.wanted)
    about = [
        "picked photos" if name == "picked" else f"{name} {value}" for name, value in wanted.items()
    ]
    title = f"{TITLES[order.format]}: {', '.join(about) or 'everything'}"
    return queue.enqueue(JOB_TYPE, asdict(order) | {"wanted": wanted}, title, sender)


def file_of(view: JobView, name: str, data: Path, *, admin: bool) -> tuple[Path, str, str]:
    """A file of an export that is ready: where it lies, its media type, and its SHA-256 ("" for that of the manifest).

    Raises `JobNotFoundError` when there is none such, or not any more; `NotAllowedError` when its photos carry their metadata and it is
    no admin who asks.
    """
    known = {one["name"]: one["sha256"] for one in files_of(view)} | {MANIFEST: ""}
    path = folder_of(data, view.job.public_id) / name
    if (
        view.job.type != JOB_TYPE.name
        or view.state != SUCCEEDED
        or name not in known
        or not path.is_file()
    ):
        raise JobNotFoundError(
            f"There is no such file here. Exports are removed after {KEPT.days} days; make it once more."
        )
    if view.job.params["keep_metadata"] and not admin:
        raise NotAllowedError(
            "These photos carry what they tell about place, time and camera. Only an admin may have them so."
        )
    return (
        path,
        "application/json"
        if name == MANIFEST
        else TYPES.get(view.job.params["format"], "application/json"),
        known[name],
    )


def files_of(view: JobView) -> list[Json]:
    """The files of an export that can be fetched now: name, bytes, sha256, photos."""
    return (
        []
        if view.job.type != JOB_TYPE.name or view.job.cleared_at or not view.job.result
        else list(view.job.result["files"])
    )


def remove_files(view: JobView, data: Path) -> None:
    """Remove the files of an export before their time. Raises `JobNotFoundError` when there are none."""
    if not files_of(view):
        raise JobNotFoundError("There are no files of it any more.")
    shutil.rmtree(folder_of(data, view.job.public_id), ignore_errors=True)
    with writing():
        jobs.change_job(view.job.id, SUCCEEDED, cleared_at=now())


def folder_of(data: Path, job_id: str) -> Path:
    """Where the files of an export lie."""
    if not re.fullmatch(r"[\w-]{8,24}", job_id, re.ASCII):
        raise JobNotFoundError("Nothing is kept under this name.")
    return data / PLACE / job_id


# ---- the job ----


def plan(job: RunningJob) -> list[Json]:
    """Pieces, each with the numbers of its first and last photo. Photos that come later are in none. Planning changes nothing."""
    order = _order(job)
    after, upto = export.number_after(order.after), storage.newest_number()
    common = {"made": now().isoformat(), "event": storage.last_event()}
    ranges = []
    while numbers := storage.next_numbers(
        order.wanted, after, upto, _piece(order), classes_only=order.classes_only
    ):
        ranges.append((after, numbers[-1], len(numbers)))
        after = numbers[-1]
        job.progress(0)
    job.say(f"{sum(number for *_range, number in ranges):,} photos to write.")
    several = list(_merged(order, ranges)) or [
        (after, upto, 0)
    ]  # an empty file has its heading too
    return [
        common | {"number": at, "of": len(several), "after": first, "upto": last, "total": total}
        for at, (first, last, total) in enumerate(several, 1)
    ]


def do(job: RunningJob) -> Json:
    """Write one piece into the data folder.

    May run twice: a piece is written beside its place, which it takes when it is whole, so that the last one stands.
    """
    order, part, tally = _order(job), job.part, Tally()
    folder = folder_of(job.tools.data, job.id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_room(job.tools.data)
    name = _name_of_piece(order, part)
    with _taking_its_place(folder / name) as stream:
        for piece in _bytes(job, order, tally):
            tally.feed(piece)
            stream.write(piece)
    facts = {
        "name": name,
        "photos": tally.photos,
        "classes": dict(tally.classes),
        "left_out": dict(tally.left_out),
        "lost": tally.lost,
    }
    return facts | tally.checksum | {"made": part["made"], "event": part["event"]}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """Put the pieces together where they are one file, and write the manifest.

    May run twice: the file takes its place when it is whole, and the pieces go after that.
    """
    order, pieces = _order(job), list(results)
    folder = folder_of(job.tools.data, job.id)
    made = datetime.fromisoformat(pieces[0]["made"])
    files = [_joined(job, order, folder, pieces, made)] if order.format in GOES_ON else pieces
    told = [{name: one[name] for name in ("name", "bytes", "sha256", "photos")} for one in files]
    manifest = export.manifest_of(order, _sum(order, pieces), pieces[0]["event"], made) | {
        "files": told
    }
    write_whole(folder / MANIFEST, export.as_json(manifest))
    for left in folder.glob(".*.part"):
        left.unlink(missing_ok=True)
    job.say(
        f"{manifest['photos']:,} photos in {len(told):,} file{'' if len(told) == 1 else 's'}. They are kept for {KEPT.days} days."
    )
    kept = {
        name: manifest[name] for name in ("photos", "classes", "left_out", "lost", "label_event")
    }
    return kept | {"files": told, "until": (now() + KEPT).isoformat(timespec="seconds")}


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    photos, lost = result["photos"], len(result["lost"])
    missing = f" The files of {lost:,} more are missing or damaged." if lost else ""
    return f"{photos:,} photo{'' if photos == 1 else 's'} exported.{missing}"


def clear(job_id: str, _asked: Json, tools: Tools) -> None:
    """Remove the files."""
    shutil.rmtree(folder_of(tools.data, job_id), ignore_errors=True)


# ---- parts ----


def _order(job: RunningJob) -> Order:
    return Order(**job.params | {"wanted": parse_filter(job.params["wanted"])})


def _piece(order: Order) -> int:
    return ZIP_PHOTOS if order.format == "folders" else PIECE


def _merged(order: Order, ranges: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Pieces of several ranges: a zip is one, lines are few enough pieces, a document of JSON is written in one piece."""
    size = (
        1
        if order.format == "folders"
        else max(1, -(-len(ranges) // MOST_PARTS))
        if order.format in GOES_ON
        else max(1, len(ranges))
    )
    for at in range(0, len(ranges), size):
        some = ranges[at : at + size]
        yield some[0][0], some[-1][1], sum(number for *_range, number in some)


def _bytes(job: RunningJob, order: Order, tally: Tally) -> Iterator[bytes]:
    """What a piece holds; each photo is counted."""
    part, tools = job.part, job.tools
    made = datetime.fromisoformat(part["made"])

    def photos() -> Iterator[Record]:
        several = export.records(
            order,
            after=part["after"],
            upto=part["upto"],
            registry=tools.registry,
            classes_only=order.classes_only,
        )
        for one in several:
            tally.count(one)
            yield one
            job.progress(tally.photos)

    if order.format != "folders":
        return export.text_pieces(order, photos(), made, heading=part["number"] == 1)
    source = Bytes(tools.files, tools.limiter, order.keep_metadata)

    def manifest(files: dict[str, str]) -> bytes:
        return export.as_json(
            export.manifest_of(order, tally, part["event"], made) | {"files": files}
        )

    return write_zip(photos(), source, lost=tally.lose, manifest=manifest)


def _name_of_piece(order: Order, part: Json) -> str:
    """A zip is fetched as it is, and so is what comes in one piece; other pieces are put together at the end."""
    if order.format in GOES_ON:
        return f"piece-{part['number']:06d}"
    return _name(
        order,
        datetime.fromisoformat(part["made"]),
        f"-{part['number']}-of-{part['of']}" if part["of"] > 1 else "",
    )


def _name(order: Order, made: datetime, which: str = "") -> str:
    return f"marque-{made:%Y-%m-%d}-{order.format}{which}{FORMATS[order.format]}"


def _joined(
    job: RunningJob, order: Order, folder: Path, pieces: list[Json], made: datetime
) -> Json:
    """All pieces as one file."""
    path = folder / _name(order, made)
    if not path.exists():
        with _taking_its_place(path) as stream:
            for one in pieces:
                with (folder / one["name"]).open("rb") as piece:
                    while content := piece.read(CHUNK):
                        stream.write(content)
                        job.progress(0)
    for one in pieces:
        (folder / one["name"]).unlink(missing_ok=True)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "photos": sum(one["photos"] for one in pieces),
    }


def _sum(order: Order, pieces: list[Json]) -> Tally:
    """The counts of all pieces."""
    tally = Tally()
    for one in pieces:
        tally.photos += one["photos"]
        tally.classes.update(one["classes"])
        tally.left_out.update(one["left_out"])
        tally.lost = [*tally.lost, *one["lost"]][: export.MOST_LOST]
    if order.classes_only:
        tally.left_out.update(Counter(export.unclassed(order.wanted)))
    return tally


def _check_room(data: Path) -> None:
    """Raise `StorageFullError` when exports have their share of the disk, or the disk is nearly full."""
    folder = data / PLACE
    taken = (
        sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
        if folder.is_dir()
        else 0
    )
    if taken >= QUOTA:
        raise StorageFullError(
            f"Exports take the {QUOTA // 2**30} GB that they may have. Remove the files of another one on its job's page, then go on."
        )
    if shutil.disk_usage(data).free < RESERVE:
        raise StorageFullError(
            "The server's disk has no room for this. What was written is kept: make room, then go on."
        )


@contextmanager
def _taking_its_place(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place, synced to the disk, when the block ends well, and goes when it does not."""
    fresh = path.with_name(
        f".{path.name}.{secrets.token_hex(4)}.part"
    )  # of its own: another worker may be at the same piece
    try:
        with fresh.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    except FileNotFoundError as error:
        raise ExportError(
            "A piece of this export is gone from the data folder. Make it once more."
        ) from error
    except OSError as error:
        raise StorageFullError(
            "The server's disk is full or cannot be written. What was written before is kept."
        ) from error
    finally:
        fresh.unlink(missing_ok=True)


JOB_TYPE = JobType(
    name="export",
    title="Export",
    plan=plan,
    do=do,
    finish=finish,
    clear=clear,
    kept=KEPT,
    summary=summary,
)
