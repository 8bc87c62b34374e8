"""Where a model looked in a stored photo: it is classified again, feature maps are not stored."""

from webapp.domain import Rendition, make_tag
from webapp.errors import NoHeatMapError, UnknownLabelError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.decoding.images import RENDERER, decode_photo, working_side
from webapp.inference.heat_map import OVERLAY_TYPE, class_activation, draw_overlay
from webapp.inference.models.label_set import canonical_label
from webapp.services.labels.label_mapping import current_card
from webapp.services.photos.gallery import get_photo, stored_content
from webapp.storage.file_stores.contract import FileStore


def heat_map(
    public_id: str,
    label: str,
    *,
    classifier: Classifier,
    files: FileStore,
    limiter: AdmissionLimiter,
) -> Rendition:
    """An overlay that is clear where the model looked for `label`: a PNG in the photo's shape.

    Of merged labels it shows the most probable, without a label the first guess of the model.
    Raises `PhotoNotFoundError`, `NotAskedError`, `UnknownLabelError` or `NoHeatMapError`; making
    it, `ServerBusyError` and `PhotoNotFoundError`.
    """
    published = classifier.card
    photo = get_photo(public_id, "" if label else published.name)
    if not label and photo.prediction is not None:
        label = photo.prediction.label
    card = current_card(published)
    places = card.outputs.get(canonical_label(card, label), [])
    version = f"{card.name} {card.version}"
    if not places:
        raise UnknownLabelError(f"{version} has no label {label[:80]!r}, so it has no heat map.")
    head = classifier.head
    if head is None:
        raise NoHeatMapError(f"{version} is not built so that one could see where it looked.")

    def make() -> bytes:
        content = stored_content(photo, files)
        with limiter.slot():
            pixels = decode_photo(content, max_side=working_side(published.input)).pixels
            output = classifier.predict(pixels)
        place = max(places, key=lambda place: output.probabilities[place])
        activation = class_activation(output, head, place)
        return draw_overlay(activation, published.input, photo.width, photo.height)

    model = (published.name, published.version, sorted(published.files.items()))
    tag = make_tag("overlay 2", label, places, photo.sha256, *model, RENDERER)
    return Rendition(OVERLAY_TYPE, tag, make)
