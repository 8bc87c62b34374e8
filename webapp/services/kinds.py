"""The kinds of jobs there are."""

from __future__ import annotations

from webapp.services import bulk_upload, keep_later, labels_later, many_later, predict_later, rereading, webhook_delivery
from webapp.services.work import Kind

KINDS: dict[str, Kind] = {
    one.name: one
    for one in (
        bulk_upload.KIND,
        keep_later.KIND,
        labels_later.KIND,
        many_later.KIND,
        predict_later.KIND,
        rereading.KIND,
        webhook_delivery.KIND,
    )
}
