"""What is sent of an event."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from webapp.domain import PROMOTED, RELABELLED, UNSURE, moment
from webapp.errors import PhotoNotFoundError
from webapp.services.photos.gallery import get_item
from webapp.storage import webhooks as storage
from webapp.storage.tables import WebhookEvent

_Describe = Callable[[Any], Mapping[str, Any]]
# Changed photos that an event names singly.
_MOST_CHANGES = 200


def make_body(event: WebhookEvent, describe: _Describe) -> tuple[str, int]:
    """What is sent of an event, and the number of the last label event in it (or 0).

    `describe` makes the JSON of a photo; one that is gone is told by its id alone.
    """
    upto = 0
    data: Mapping[str, Any] = {"message": "A test from Marque: it works."}
    if event.type == UNSURE:
        data = {"photo": _photo(event.about, describe)}
    elif event.type == PROMOTED:
        row = storage.promotion(int(event.about))
        data = {
            "model": row.model,
            "kind": row.kind,
            "from": row.from_version,
            "to": row.to_version,
            "who": row.who,
            "why": row.why,
            "forced": row.forced,
        }
    elif event.type == RELABELLED:
        count, upto = storage.count_label_events(event.about, event.after)
        rows = storage.label_events(event.about, event.after, _MOST_CHANGES)
        data = {
            "batch": event.about,
            **{name: getattr(rows[0], name) if rows else "" for name in ("who", "place", "why")},
            "changes": [
                {"id": row.photo_ref, "from": row.from_label, "to": row.to_label} for row in rows
            ],
            "count": count,
            "photo": _photo(rows[0].photo_ref, describe) if count == 1 else None,
        }
    body = {"type": event.type, "timestamp": moment(event.created_at), "data": data}
    return json.dumps(body, ensure_ascii=False), upto


def _photo(public_id: str, describe: _Describe) -> Mapping[str, Any]:
    try:
        return describe(get_item(public_id))
    except PhotoNotFoundError:
        return {"id": public_id}
