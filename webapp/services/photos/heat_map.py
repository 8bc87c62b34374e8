"""Where a model looked in a stored photo: asked again, since feature maps are not kept."""

from webapp.domain import Rendition, make_tag
from webapp.errors import NoHeatMapError, UnknownLabelError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.decoding.images import RENDERER, decode_photo, working_side
from webapp.inference.heat_map import OVERLAY_TYPE, class_activation, draw_overlay
from webapp.inference.models.label_set import canonical_label, outputs
from webapp.services.labels.label_mapping import current_card
from webapp.services.photos.gallery import get_item, stored_content
from webapp.storage.file_stores.contract import FileStore


def heat_map(
    public_id: str,
    label: str,
    *,
    classifier: Classifier,
    files: FileStore,
    limiter: AdmissionLimiter,
) -> Rendition:
    """An overlay over a photo that is clear where the model looked for `label`: a PNG in the photo's shape. Of labels that were merged it
    shows the one that the network thought likelier.

    Raises `PhotoNotFoundError`, `UnknownLabelError` or `NoHeatMapError`; making it, `ServerBusyError` and `PhotoNotFoundError`.
    """
    photo, card = get_item(public_id).photo, classifier.card
    seen = current_card(card)
    places = outputs(seen).get(canonical_label(seen, label), [])
    if not places:
        raise UnknownLabelError(
            f"{card.name} {card.version} has no label {label[:80]!r}, so it did not look for one."
        )
    head = classifier.head
    if head is None:
        raise NoHeatMapError(
            f"{card.name} {card.version} is not built so that one could see where it looked."
        )

    def make() -> bytes:
        content = stored_content(photo, files)
        with limiter.slot():
            output = classifier.predict(
                decode_photo(content, max_side=working_side(card.input)).pixels
            )
        strongest = max(places, key=lambda place: output.probabilities[place])
        return draw_overlay(
            class_activation(output, head, strongest), card.input, photo.width, photo.height
        )

    version = (card.name, card.version, sorted(card.files.items()))
    return Rendition(
        OVERLAY_TYPE, make_tag("overlay", label, places, photo.sha256, *version, RENDERER), make
    )
