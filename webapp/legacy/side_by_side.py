"""A photo beside what the model says about it, as one picture."""

from webapp.domain import Rendition, ready_rendition
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.decoding.images import VIEW_TYPE, render_view
from webapp.inference.models.registry import Registry
from webapp.legacy.ranked_picture import draw_ranked
from webapp.services.photos.gallery import Item, full_ranking, stored_content
from webapp.storage.file_stores.database import FileStore

SIDE = 640
"""Pixels of the photo's longer side."""
LINES = 10


def side_by_side(
    item: Item, *, registry: Registry, files: FileStore, limiter: AdmissionLimiter
) -> Rendition | None:
    """A JPEG of the photo and its first ten labels; None for a photo that nobody has looked at. Raises `PhotoNotFoundError` or
    `ServerBusyError`."""
    photo, said = item.photo, item.photo.prediction
    if said is None:
        return None
    content = stored_content(photo, files)
    lines = full_ranking(said, registry)[:LINES]
    with limiter.slot():
        return ready_rendition(
            draw_ranked(render_view(content, max_side=SIDE), lines, photo.ground_truth or ""),
            VIEW_TYPE,
        )
