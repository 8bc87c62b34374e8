"""Exports: what to export, and what an export is."""

from typing import Annotated, Any

from pydantic import Field

from webapp.api.schemas.base import OFF, JsonShape, KeepMetadata, Moment, OneOf, enum
from webapp.api.schemas.photos import Filters
from webapp.gallery_filter import Text
from webapp.services.exports.formats import FORMATS

Format = Annotated[str, OneOf(tuple(FORMATS))]


class ExportQuery(Filters):
    """What to export."""

    format: Format = "jsonl"
    """The format: see docs/exports.md."""
    after: Text = ""
    """The id of the last photo that is there already: the export goes on behind it."""
    limit: Annotated[int, Field(ge=1, le=999_999_999)] = OFF
    """The most photos; all of them when left out."""
    metadata: KeepMetadata = OFF
    """`keep`, with a key of the scope `admin`: photos with what their files tell about place, time
    and camera."""


class ExportJson(JsonShape):
    """The state of an export."""

    id: str
    state: Annotated[str, enum("running", "complete", "stopped")]
    format: str
    who: str
    created_at: Moment
    after: str
    """The photo it went on after, or empty."""
    photos: int
    manifest: dict[str, Any] | None
    """Counts, checksum and where to go on; null until the export is complete."""
