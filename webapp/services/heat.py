"""Where a model looked in a stored photo: asked again, since feature maps are not kept."""

from __future__ import annotations

from webapp.errors import NoHeatMapError, UnknownLabelError
from webapp.inference.classifier import Classifier
from webapp.inference.heat import VEIL_TYPE, class_activation, draw_veil
from webapp.inference.images import decode_photo, working_side
from webapp.inference.turnstile import Turnstile
from webapp.services.history import Rendition, get_item, stored_content
from webapp.storage.files import FileStore


def heat_map(public_id: str, label: str, *, classifier: Classifier, files: FileStore, turnstile: Turnstile) -> Rendition:
    """A veil over a photo that is clear where the model looked for `label`: a PNG in the photo's shape.

    Raises `PhotoNotFoundError`, `UnknownLabelError`, `NoHeatMapError` or `ServerBusyError`.
    """
    photo, card = get_item(public_id).photo, classifier.card
    if label not in card.label_names:
        raise UnknownLabelError(f"{card.name} {card.version} has no label {label[:80]!r}, so it did not look for one.")
    content = stored_content(photo, files)
    with turnstile.turn():
        head = classifier.head
        if head is None:
            raise NoHeatMapError(f"{card.name} {card.version} is not built so that one could see where it looked.")
        reading = classifier.rank(decode_photo(content, max_side=working_side(card.input)).pixels)
    activation = class_activation(reading, head, card.label_names.index(label))
    return Rendition(draw_veil(activation, card.input, photo.width, photo.height), VEIL_TYPE)
