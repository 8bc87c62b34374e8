"""The confusion matrix of checked photos: what was taken for what."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label
from webapp.reports.confusion import ConfusionMatrix
from webapp.services.photos.wording import display
from webapp.services.stats.label_figures import count_pairs
from webapp.storage.stats.stats import Counts

_CARD_ORDER, _CLUSTER, _PARENT = "card", "cluster", "parent"
ORDERS = (_CARD_ORDER, _CLUSTER, _PARENT)
_NO_PARENT = "Others"


def confusion_matrix(
    counts: Counts, card: ModelCard, *, order: str = _CARD_ORDER, grouped: bool = False
) -> ConfusionMatrix:
    """What was taken for what, with labels in one of `ORDERS`: as in the card, mixed-up ones beside
    each other, or those of one parent. `grouped` counts parents instead of labels; else parents
    that were the answer have columns of their own, behind the labels."""
    table = count_pairs(counts)
    parents = {label.name: label.parent or _NO_PARENT for label in every_label(card)}
    names = list(card.outputs)
    if grouped:
        by_parent: dict[tuple[str, str], int] = defaultdict(int)
        for (truth, decision), n in table.items():
            by_parent[parents.get(truth, truth), parents.get(decision, decision)] += n
        table, names = dict(by_parent), list(dict.fromkeys(parents.values()))
    elif order == _PARENT:
        names.sort(key=lambda name: display(card, name).casefold())
        names.sort(key=lambda name: (parents[name] == _NO_PARENT, parents[name]))
    if order == _CLUSTER:
        names = cluster(names, table)
    nothing = (NONE_OF_THESE,) if any(truth == NONE_OF_THESE for truth, _ in table) else ()
    said = {decision for _, decision in table}
    more = [parent for parent in card.parents if parent in said and parent not in names]
    columns = (*names, *more, UNCLASSIFIED)
    return ConfusionMatrix((*names, *nothing), columns, table, card.parent_of)


def cluster(names: Sequence[str], table: Mapping[tuple[str, str], int]) -> list[str]:
    """The names in an order that puts those that are mixed up beside each other.

    Agglomerative clustering with average linkage (Sokal and Michener 1958) on how often two are
    taken for each other, by their photos; the order is that of the leaves. What was never mixed up
    keeps its place at the end.
    """
    places = {name: place for place, name in enumerate(names)}
    alike = np.zeros((len(names), len(names)))
    photos = np.ones(len(names))
    for (truth, decision), n in table.items():
        if truth in places:
            photos[places[truth]] += n
            if decision in places and decision != truth:
                alike[places[truth], places[decision]] += n
    alike = (alike + alike.T) / (photos[:, np.newaxis] + photos[np.newaxis, :])
    groups: list[list[int]] = [[place] for place in range(len(names))]
    sizes = np.ones(len(names))
    for _ in range(len(names) - 1):
        first, second = sorted(divmod(int(alike.argmax()), len(names)))
        if alike[first, second] <= 0:
            break
        weight = sizes[first] + sizes[second]
        merged = (alike[first] * sizes[first] + alike[second] * sizes[second]) / weight
        alike[first], alike[:, first] = merged, merged
        alike[first, first] = 0
        alike[second], alike[:, second] = 0, 0
        groups[first] += groups[second]
        groups[second] = []
        sizes[first] = weight
    mixed = sorted((group for group in groups if len(group) > 1), key=len, reverse=True)
    single = [group for group in groups if len(group) == 1]
    return [names[place] for group in (*mixed, *single) for place in group]
