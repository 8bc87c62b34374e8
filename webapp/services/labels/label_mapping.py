"""How labels read today: merged ones as another, split ones as the label that a version knows. Everything that meets a label asks here."""

from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import Overlay, SeenCard, expected, fold, reading, seen
from webapp.storage.labels import events as labels
from webapp.storage.labels import label_sets as storage


def today(card: ModelCard) -> ModelCard:
    """The card with merges and splits of labels laid over it; the card itself when there are none, or when it is seen already."""
    overlay = structure(card.name)
    return seen(card, overlay) if overlay and not isinstance(card, SeenCard) else card


def structure(model: str) -> Overlay:
    """The merges and splits of a model's labels that stand."""
    return fold(storage.structure_of(model))


def remember_labels(card: ModelCard) -> None:
    """Keep the label set of a version that answers, inside the caller's transaction, so that its answers can be held against labels."""
    if labels.remember_label_set(card.name, card.version, card.label_names):
        write_down(card.name)


def write_down(model: str) -> None:
    """Keep in tables how labels of a model read today, inside the caller's transaction: SQL reads it there."""
    overlay = structure(model)
    answers = {
        version: expected(overlay, known) for version, known in labels.known_labels(model).items()
    }
    storage.write_reading(model, reading(overlay), answers)
