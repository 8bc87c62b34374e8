"""Where a model looked in a stored photo: a car is classified again, feature maps are not
stored."""

from webapp.domain import Rendition, make_tag
from webapp.errors import NoHeatMapError, UnknownLabelError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier, classify
from webapp.inference.decoding.images import RENDERER
from webapp.inference.heat_map import OVERLAY_TYPE, class_activation, draw_overlay
from webapp.inference.models.label_set import canonical_label
from webapp.services.labels.label_mapping import current_card
from webapp.services.photos.gallery import not_asked, stored_content
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.tables import Car


def heat_map(
    car: Car,
    label: str,
    *,
    classifier: Classifier,
    files: FileStore,
    limiter: AdmissionLimiter,
) -> Rendition:
    """An overlay that is clear where the model looked for `label` in what it saw of a car: a PNG in
    the photo's shape, dark around the car.

    Of merged labels it shows the most probable, without a label the first guess of the model.
    Raises `NotAskedError`, `UnknownLabelError` or `NoHeatMapError`; making it, `ServerBusyError`
    and `PhotoNotFoundError`.
    """
    published, photo = classifier.card, car.photo
    label = label or _first_guess(car, published.name)
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
            classified = classify(content, [classifier], cars=[car.detected])
        output = classified.cars[0].answers[0].output
        place = max(places, key=lambda place: output.probabilities[place])
        activation = class_activation(output, head, place)
        return draw_overlay(activation, published.input, photo.width, photo.height, car.box)

    model = (published.name, published.version, sorted(published.files.items()))
    tag = make_tag("overlay 3", label, places, photo.sha256, car.box, *model, RENDERER)
    return Rendition(OVERLAY_TYPE, tag, make)


def _first_guess(car: Car, model: str) -> str:
    """The label that a model thinks most probable. Raises `NotAskedError`."""
    for prediction in car.predictions:
        if prediction.model == model:
            return prediction.label
    raise not_asked(model)
