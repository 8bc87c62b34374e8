"""The map from labels to canonical labels: read by everything that meets a label."""

from collections.abc import Sequence

from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import (
    CurrentCard,
    Edits,
    apply_edits,
    canonical_labels,
    expected_labels,
    resolve_edits,
)
from webapp.storage.database import database_name
from webapp.storage.labels import canonical, edits, events


def current_card(card: ModelCard) -> ModelCard:
    """The card with the merges, splits and added labels; itself when there are none."""
    if isinstance(card, CurrentCard):
        return card
    structure = structure_of(card.name)
    return apply_edits(card, structure) if structure else card


def current_cards(cards: Sequence[ModelCard]) -> list[ModelCard]:
    """`current_card` of each; one look at the database where labels are as they were published."""
    if not edits.have_structure([card.name for card in cards]):
        return list(cards)
    return [current_card(card) for card in cards]


def structure_of(model: str) -> Edits:
    """The merges, splits and added labels of a model that stand."""
    return resolve_edits(edits.structure_of(model))


def remember_labels(card: ModelCard) -> None:
    """Keep the labels of a version that answers, inside the caller's transaction."""
    if (database_name(), card.name, card.version) in events.remembered_sets:
        return
    parents = {label.name: label.parent for label in card.published_labels}
    if events.remember_label_set(card.name, card.version, parents):
        update_map(card.name)


def update_map(model: str) -> None:
    """Write the map of a model anew, inside the caller's transaction: SQL reads it there."""
    structure = structure_of(model)
    maps = {
        version: expected_labels(structure, known)
        for version, known in events.known_labels(model).items()
    }
    canonical.write_map(model, {canonical.PEOPLE: canonical_labels(structure), **maps})
