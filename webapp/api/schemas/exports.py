"""Exports: what to export, and what an export is."""

from typing import Annotated, Any

from flask import request
from pydantic import Field

from webapp.api.schemas.base import OFF, ApiRequest, JsonShape, KeepMetadata, Moment, enum
from webapp.api.schemas.photos import Filters
from webapp.gallery_filter import GalleryFilter, OneOf, Text
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import PHOTOS, UNITS, ExportOrder


class ExportFields(ApiRequest):
    """How photos are exported."""

    format: Annotated[str, OneOf(FORMATS)] = "jsonl"
    """The format: see docs/exports.md."""
    after: Text = ""
    """The id of the last photo that is there already: the export goes on behind it."""
    unit: Annotated[str, OneOf(UNITS)] = PHOTOS
    """`photos` as a whole, or for `folders` also `crops`: each car with a class, cut out, or
    `boxes`: photos in which people checked every car, to train a detector on."""
    metadata: KeepMetadata = OFF
    """`keep`, with a key of the scope `admin`: photos with what their files tell about place, time
    and camera."""

    def order(self, wanted: GalleryFilter, limit: int | None = None) -> ExportOrder:
        """An export of the photos that pass the filters, whose links lead to this server."""
        return ExportOrder(
            FORMATS[self.format],
            wanted,
            self.after,
            limit,
            keep_metadata=bool(self.metadata),
            base_url=request.url_root,
            unit=self.unit,
        )


class ExportQuery(Filters, ExportFields):
    """What to export."""

    limit: Annotated[int, Field(ge=1, le=999_999_999)] = OFF
    """The most photos; all of them when left out."""


class ExportJson(JsonShape):
    """The state of an export."""

    id: str
    state: Annotated[str, enum("running", "complete", "stopped")]
    format: str
    unit: Annotated[str, enum(*UNITS)]
    """Whole photos, crops of cars, or photos to train a detector on."""
    who: str
    created_at: Moment
    after: str
    """The photo it went on after, or empty."""
    photos: int
    manifest: dict[str, Any] | None
    """Counts, checksum and where to go on; null until the export is complete."""
