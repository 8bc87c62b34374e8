"""Reference: formats and limits."""

from webapp.api.schemas.base import JsonShape
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import MAX_BYTES, MAX_PIXELS, MAX_PIXELS_OF, MAX_SIDE
from webapp.services.exports.export import FORMATS
from webapp.services.photos.classify import MAX_FILES


class PhotoFormatJson(JsonShape):
    """A format of photos."""

    name: str
    content_type: str
    pixels: int
    """The most pixels that a photo of this format may have."""


class FormatsJson(JsonShape):
    """What can be sent: formats and limits."""

    formats: list[PhotoFormatJson]
    bytes: int
    """The most bytes of one photo."""
    side: int
    """The most pixels of one side."""
    files: int
    """The most photos of one request."""
    request_bytes: int
    """The most bytes of one request."""
    exports: list[str]
    """What photos can be exported as."""


def formats_json(request_bytes: int) -> FormatsJson:
    """The formats and limits of photos and requests."""
    return {
        "formats": [
            {"name": name, "content_type": kind, "pixels": MAX_PIXELS_OF.get(name, MAX_PIXELS)}
            for name, kind in CONTENT_TYPES.items()
        ],
        "bytes": MAX_BYTES,
        "side": MAX_SIDE,
        "files": MAX_FILES,
        "request_bytes": request_bytes,
        "exports": list(FORMATS),
    }
