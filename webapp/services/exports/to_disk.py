"""Exports that the terminal writes: one file, or a folder of photos. Both go on where they stopped, and have a manifest when complete."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from webapp.errors import ExportError
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports.export import (
    GOES_ON,
    Order,
    Tally,
    Tools,
    as_json,
    counted,
    manifest_of,
    number_after,
    question_of,
    text_pieces,
)
from webapp.services.exports.formats import folders
from webapp.services.exports.formats.tables import COLUMNS, Record, folder_of
from webapp.storage import exports as storage
from webapp.storage.database import end_reading
from webapp.storage.tables import now

BATCH = 500
Watch = Callable[[Iterator[Record]], Iterator[Record]]
Json = dict[str, Any]


def export_stream(order: Order, stream: IO[bytes], *, tools: Tools, watch: Watch) -> Json:
    """Write an export of one file to a stream, such as standard output. Returns its manifest."""
    tally, event, made = Tally(), storage.last_event(), now()
    photos = watch(counted(order, number_after(order.after), tally, tools.registry))
    for piece in text_pieces(order, photos, made):
        tally.feed(piece)
        stream.write(piece)
    return manifest_of(order, tally, event, made) | tally.checksum


def export_file(order: Order, path: Path, *, tools: Tools, watch: Watch) -> Json:
    """Write an export to a file, and its manifest beside it. Returns the manifest.

    Until it is whole the file is called `.NAME.part`; a line for each photo goes on in it after its last whole line. Raises `ExportError`
    when there is a file of this name, or when what lies there began as another export.
    """
    if path.exists():
        raise ExportError(f"{path} is there already. Choose another name, or remove it.")
    part, note = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json")
    tally = Tally(last=order.after)
    made, event = _take_up(order, part, note, tally)
    with part.open("ab") as stream:
        going_on = tally.photos > 0
        photos = watch(counted(order, number_after(tally.last), tally, tools.registry))
        for piece in text_pieces(order, photos, made, heading=not going_on):
            tally.feed(piece)
            stream.write(piece)
    manifest = manifest_of(order, tally, event, made) | tally.checksum
    folders.write_whole(path.with_name(f"{path.name}.manifest.json"), as_json(manifest))
    part.replace(path)
    note.unlink(missing_ok=True)
    return manifest


def export_folder(order: Order, folder: Path, *, tools: Tools, watch: Watch) -> Json:
    """Bring a folder of photos up to date: what is there and whole stays, what is missing is written, what no longer belongs goes.

    Returns the manifest, which lies in the folder; while it says `"complete": false` the export was interrupted. Raises `ExportError` for
    a folder that holds something else, or another export.
    """
    order = Order(order.format, order.wanted, keep_metadata=order.keep_metadata)
    folder.mkdir(parents=True, exist_ok=True)
    _check_folder(order, folder)
    tally, event, made = Tally(), storage.last_event(), now()
    begun = manifest_of(order, tally, event, made) | {"complete": False}
    folders.write_whole(folder / folders.MANIFEST, as_json(begun))
    source = folders.Bytes(tools.files, tools.limiter, order.keep_metadata)
    photos = watch(counted(order, 0, tally, tools.registry))
    checksum = folders.write_folder(photos, source, folder, lost=tally.lose)
    removed = _remove_stale(order, folder)
    manifest = manifest_of(order, tally, event, made) | {"files": {folders.TABLE: checksum}}
    folders.write_whole(folder / folders.MANIFEST, as_json(manifest))
    return manifest | {"removed": removed}


def _take_up(order: Order, part: Path, note: Path, tally: Tally) -> tuple[datetime, int]:
    """When the export of a file began and which label event it saw: now, or earlier when it was interrupted; `tally` has counted since."""
    if order.format in GOES_ON and part.exists() and note.exists():
        begun = json.loads(note.read_text(encoding="utf-8"))
        if begun["about"] != _about(order):
            raise ExportError(
                f"{part} began as an export of other photos. Remove it, or choose another name."
            )
        _count_lines(order.format, part, tally)
        return datetime.fromisoformat(begun["made"]), begun["label_event"]
    made, event = now(), storage.last_event()
    part.unlink(missing_ok=True)
    folders.write_whole(
        note, as_json({"about": _about(order), "made": made.isoformat(), "label_event": event})
    )
    return made, event


def _about(order: Order) -> Json:
    return {"format": order.format, "filter": question_of(order.wanted), "after": order.after}


def _count_lines(format: str, part: Path, tally: Tally) -> None:
    """Count the whole lines of an interrupted export and cut off the last one when it is not."""
    whole = 0
    with part.open("rb") as stream:
        for number, line in enumerate(stream):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            tally.feed(line)
            if format == "csv" and number == 0:
                continue
            public_id, truth = _first_cells(line) if format == "csv" else _first_fields(line)
            tally.photos += 1
            tally.classes[truth] += 1
            tally.last = public_id
    if not tally.photos:
        tally.restart()
        whole = 0
    with part.open("r+b") as stream:
        stream.truncate(whole)


def _first_cells(line: bytes) -> tuple[str, str]:
    cells = next(csv.reader([line.decode()]))
    return plain_cell(cells[0]), plain_cell(cells[COLUMNS.index("ground_truth")])


def _first_fields(line: bytes) -> tuple[str, str]:
    photo = json.loads(line)
    return photo["id"], photo["ground_truth"] or ""


def _check_folder(order: Order, folder: Path) -> None:
    try:
        known = json.loads((folder / folders.MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(folder.iterdir()):
            raise ExportError(
                f"{folder} is not empty and holds no export. Choose another folder."
            ) from None
        return
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{folder / folders.MANIFEST} cannot be read. Choose another folder."
        ) from error
    mine = manifest_of(order, Tally(), 0, now())
    if not isinstance(known, dict) or any(
        known.get(name) != mine[name] for name in ("format", "filter", "metadata")
    ):
        raise ExportError(f"{folder} holds an export of other photos. Choose another folder.")


def _remove_stale(order: Order, folder: Path) -> int:
    """Remove photos of an earlier export that no longer belong where they lie: relabelled, or gone. Returns how many."""
    removed = 0
    files = folders.files_in(folder)
    while some := list(islice(files, BATCH)):
        standing = storage.still_matching(order.wanted, [public_id for _, public_id in some])
        end_reading()
        for file, public_id in some:
            if folder_of(standing.get(public_id) or "") != file.parent.name:
                file.unlink()
                removed += 1
                with suppress(OSError):
                    file.parent.rmdir()  # only when it is empty
    return removed
