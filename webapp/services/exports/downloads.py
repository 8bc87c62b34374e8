"""Exports that are streamed, and what is remembered about them."""

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from webapp.domain import Who, moment
from webapp.errors import PhotoNotFoundError
from webapp.services.exports.order import ExportOrder, number_after
from webapp.services.exports.run import ExportRun
from webapp.services.jobs.job_type import Tools
from webapp.storage import exports as storage
from webapp.storage.database import insert_row, writing
from webapp.storage.tables import Export, now

_SHOWN = 20


def start_export(order: ExportOrder, *, who: Who, tools: Tools) -> tuple[Export, Iterator[bytes]]:
    """Remember that an export begins, and return it with its bytes, piece by piece; when they end,
    what became of it is written down. Raises `BadRequestError`: there is no photo `order.after`.
    """
    after = number_after(order.after)
    export = Export(
        public_id=secrets.token_urlsafe(9),
        format=order.format.name,
        unit=order.unit,
        filter_json=json.dumps(order.filter, ensure_ascii=False),
        after=order.after,
        state="running",
        user_id=who.user_id,
        who=who.name,
        created_at=now(),
    )
    with writing():
        insert_row(export)
    return export, _watched(ExportRun(order, tools, made=export.created_at), after, export)


def _watched(run: ExportRun, after: int, export: Export) -> Iterator[bytes]:
    """The bytes of an export; at the end, however it comes, the row says how far it got."""
    state, manifest = "stopped", None
    try:
        yield from run.write(run.photos(after, most=run.order.most))
        state, manifest = "complete", run.manifest | run.counts.checksum
    finally:
        with writing():
            storage.end_export(
                export.public_id,
                state=state,
                photos=run.counts.photos,
                manifest=manifest,
                ended_at=now(),
            )


def name_of(order: ExportOrder, export: Export) -> str:
    """What the file of a download is called."""
    return order.file_name(export.created_at, f"-after-{order.after}" if order.after else "")


def get_export(public_id: str) -> Export:
    """An export. Raises `PhotoNotFoundError` when there is none such."""
    export = storage.find_export(public_id)
    if export is None:
        raise PhotoNotFoundError("There is no such export.")
    return export


def last_exports() -> Sequence[Export]:
    """The newest exports, newest first."""
    return storage.last_exports(_SHOWN)


def describe(export: Export) -> dict[str, Any]:
    """What an export says about itself, also when it is not complete."""
    return {
        "id": export.public_id,
        "state": export.state,
        "format": export.format,
        "unit": export.unit,
        "who": export.who,
        "created_at": moment(export.created_at),
        "after": export.after,
        "photos": export.photos,
        "manifest": export.manifest,
    }
