"""Exports that the terminal writes: one file, or a folder of photos. Both go on where they stopped,
and have a manifest when complete."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO

from webapp.errors import ExportError
from webapp.services.exports.export_format import Record, folder_of, write_whole
from webapp.services.exports.formats import folders
from webapp.services.exports.order import ExportOrder, number_after
from webapp.services.exports.run import ExportCounts, ExportRun, as_json
from webapp.services.jobs.job_type import Json, Tools
from webapp.storage import exports as storage
from webapp.storage.database import end_reading

_BATCH = 500
_Watch = Callable[[Iterator[Record]], Iterator[Record]]


def export_stream(order: ExportOrder, stream: IO[bytes], *, tools: Tools, watch: _Watch) -> Json:
    """Write an export of one file to a stream, such as standard output. Returns its manifest."""
    run = ExportRun(order, tools)
    for piece in run.write(watch(run.photos(number_after(order.after), most=order.most))):
        stream.write(piece)
    return run.manifest | run.counts.checksum


def export_file(order: ExportOrder, path: Path, *, tools: Tools, watch: _Watch) -> Json:
    """Write an export to a file, and its manifest beside it. Returns the manifest.

    Until it is whole the file is called `.NAME.part`; a line for each photo goes on in it after its
    last whole line. Raises `ExportError` when there is a file of this name, or what lies there
    began as another export.
    """
    if path.exists():
        raise ExportError(f"{path} is there already. Choose another name, or remove it.")
    part, note = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json")
    run = _resume(order, part, note, tools)
    if run is None:
        run = ExportRun(order, tools)
        part.unlink(missing_ok=True)
        begun = {"about": _about(order), "made": run.made.isoformat(), "label_event": run.event}
        write_whole(note, as_json(begun))
    run.heading = run.counts.photos == 0
    with part.open("ab") as stream:
        photos = run.photos(number_after(run.counts.last or order.after), most=order.most)
        for piece in run.write(watch(photos)):
            stream.write(piece)
    manifest = run.manifest | run.counts.checksum
    write_whole(path.with_name(f"{path.name}.manifest.json"), as_json(manifest))
    part.replace(path)
    note.unlink(missing_ok=True)
    return manifest


def export_folder(order: ExportOrder, folder: Path, *, tools: Tools, watch: _Watch) -> Json:
    """Bring a folder of photos up to date: what is there and whole stays, what is missing is
    written, what no longer belongs is removed. Returns the manifest, which lies in the folder.

    While that says `"complete": false` the export was interrupted. Raises `ExportError` when the
    folder holds something else, or another export.
    """
    run = ExportRun(order, tools)
    folder.mkdir(parents=True, exist_ok=True)
    _check_folder(run, folder)
    write_whole(folder / folders.MANIFEST, as_json(run.manifest | {"complete": False}))
    digests = folders.write_folder(watch(run.photos(0)), run, folder)
    removed = _remove_stale(order, folder)
    manifest = run.manifest | {"files": digests}
    write_whole(folder / folders.MANIFEST, as_json(manifest))
    return manifest | {"removed": removed}


def _resume(order: ExportOrder, part: Path, note: Path, tools: Tools) -> ExportRun | None:
    """An export that was interrupted, with what it has counted; None when there is none that can go
    on."""
    if not (order.format.goes_on and part.exists() and note.exists()):
        return None
    begun = json.loads(note.read_text(encoding="utf-8"))
    if begun["about"] != _about(order):
        raise ExportError(
            f"{part} began as an export of other photos. Remove it, or choose another name."
        )
    counts = _count_lines(order, part)
    made = datetime.fromisoformat(begun["made"])
    return ExportRun(order, tools, begun["label_event"], made, counts)


def _about(order: ExportOrder) -> Json:
    return {"format": order.format.name, "filter": order.filter, "after": order.after}


def _count_lines(order: ExportOrder, part: Path) -> ExportCounts:
    """Count the photos of an interrupted export that are whole, and cut off what is behind them."""
    counts, read_line = ExportCounts(), order.format.read_line
    photo: list[bytes] = []  # its lines so far
    truth = ""
    with part.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n") or read_line is None:
                break
            try:
                told = read_line(line)
            except ValueError as error:
                raise ExportError(
                    f"{part} was begun by another version of Marque. Remove it, then export again."
                ) from error
            if told is None:
                counts.feed(line)
                continue
            truth = truth if photo else told.truth
            photo.append(line)
            if len(photo) == told.lines:
                counts.feed(b"".join(photo))
                counts.add([truth], told.photo_id)
                photo.clear()
    if not counts.photos:
        counts = ExportCounts()  # a heading alone is written again
    with part.open("r+b") as stream:
        stream.truncate(counts.written)
    return counts


def _check_folder(run: ExportRun, folder: Path) -> None:
    manifest = folder / folders.MANIFEST
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(folder.iterdir()):
            raise ExportError(
                f"{folder} is not empty and holds no export. Choose another folder."
            ) from None
        return
    except (OSError, ValueError) as error:
        raise ExportError(f"{manifest} cannot be read. Choose another folder.") from error
    mine, names = run.manifest, ("format", "filter", "metadata", "unit")
    same = isinstance(known, dict) and all(known.get(name) == mine.get(name) for name in names)
    if not same or ("crops" in known) != ("crops" in mine):
        raise ExportError(f"{folder} holds an export of other photos. Choose another folder.")


def _remove_stale(order: ExportOrder, folder: Path) -> int:
    """Remove files of an earlier export that no longer belong where they lie: relabelled, or gone.
    Returns how many."""
    removed = 0
    files = folders.files_in(folder)
    while batch := list(islice(files, _BATCH)):
        ids = [public_id for _, public_id in batch]
        needs = order.needs if order.boxes else ""
        standing = storage.still_matching(order.wanted, ids, crops=order.crops, needs=needs)
        end_reading()
        for file, public_id in batch:
            home = folder_of(standing.get(public_id) or "")
            if order.boxes and public_id in standing:
                home = folders.TOGETHER
            if home != file.parent.name:
                file.unlink()
                removed += 1
                with suppress(OSError):
                    file.parent.rmdir()  # only when it is empty
    return removed
