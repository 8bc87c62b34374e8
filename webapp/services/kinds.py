"""The kinds of jobs there are."""

from __future__ import annotations

from webapp.services import bulk_upload, rereading
from webapp.services.work import Kind

KINDS: dict[str, Kind] = {one.name: one for one in (bulk_upload.KIND, rereading.KIND)}
