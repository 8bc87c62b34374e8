"""Where a model looked in a stored photo: asked again, since feature maps are not kept."""

from __future__ import annotations

from webapp.errors import NoHeatMapError, UnknownLabelError
from webapp.inference.classifier import Classifier
from webapp.inference.heat import VEIL_TYPE, class_activation, draw_veil
from webapp.inference.images import RENDERER, decode_photo, working_side
from webapp.inference.turnstile import Turnstile
from webapp.services.history import get_item, stored_content
from webapp.storage.files import FileStore
from webapp.values import Rendition, make_tag


def heat_map(public_id: str, label: str, *, classifier: Classifier, files: FileStore, turnstile: Turnstile) -> Rendition:
    """A veil over a photo that is clear where the model looked for `label`: a PNG in the photo's shape.

    Raises `PhotoNotFoundError`, `UnknownLabelError` or `NoHeatMapError`; making it, `ServerBusyError` and `PhotoNotFoundError`.
    """
    photo, card = get_item(public_id).photo, classifier.card
    if label not in card.label_names:
        raise UnknownLabelError(f"{card.name} {card.version} has no label {label[:80]!r}, so it did not look for one.")
    head = classifier.head
    if head is None:
        raise NoHeatMapError(f"{card.name} {card.version} is not built so that one could see where it looked.")

    def make() -> bytes:
        content = stored_content(photo, files)
        with turnstile.turn():
            reading = classifier.rank(decode_photo(content, max_side=working_side(card.input)).pixels)
        activation = class_activation(reading, head, card.label_names.index(label))
        return draw_veil(activation, card.input, photo.width, photo.height)

    version = (card.name, card.version, sorted(card.files.items()))
    return Rendition(VEIL_TYPE, make_tag("veil", label, photo.sha256, *version, RENDERER), make)
