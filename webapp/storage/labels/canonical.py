"""The map from labels to canonical labels, in SQL. Nothing here commits."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select

from webapp.storage.database import db
from webapp.storage.tables import CanonicalLabel, Car, KnownLabel, Prediction

PEOPLE = 0  # the version whose rows are for people: merged labels only


def canonical_for(model: Any, version: Any, label: Any) -> Any:
    """The canonical label for a version, NULL where that is the label itself, as an SQL expression;
    all arguments may be columns."""
    statement = select(CanonicalLabel.canonical).where(
        CanonicalLabel.model == model,
        CanonicalLabel.version == version,
        CanonicalLabel.label == label,
    )
    return statement.scalar_subquery()


def expected_for(truth: Any) -> Any:
    """The answer of a prediction that is right for a ground truth, NULL where that is the ground
    truth itself, as an SQL expression."""
    expected = canonical_for(Prediction.model, Prediction.version, truth)
    return expected.correlate(Car, Prediction)


# The answer of a prediction that is right for its car.
right_answer = func.coalesce(expected_for(Car.ground_truth), Car.ground_truth)


def canonical_of(model: Any, label: Any) -> Any:
    """The canonical label of a label, as an SQL expression; both arguments may be columns."""
    return func.coalesce(canonical_for(model, PEOPLE, label), label)


def merged_into(label: str) -> list[str]:
    """The labels, of any model, whose canonical label this is."""
    rows = select(CanonicalLabel.label).where(
        CanonicalLabel.version == PEOPLE, CanonicalLabel.canonical == label
    )
    return list(db.session.execute(rows).scalars())


def labels_of_parent(parent: str) -> list[str]:
    """The labels, of any model that answered here, that were published with this parent."""
    labels = select(KnownLabel.label).where(KnownLabel.parent == parent).distinct()
    return list(db.session.scalars(labels.order_by(KnownLabel.label)))


def truths_of(model: str, version: int, answer: str) -> list[str]:
    """The ground truths for which this answer of a version is right, itself first."""
    rows = select(CanonicalLabel.label).where(
        CanonicalLabel.model == model,
        CanonicalLabel.version == version,
        CanonicalLabel.canonical == answer,
        CanonicalLabel.label != answer,
    )
    return [answer, *db.session.execute(rows.order_by(CanonicalLabel.label)).scalars()]


def write_map(model: str, maps: Mapping[int, Mapping[str, str]]) -> None:
    """Replace the map of a model: for each version the canonical labels that differ."""
    db.session.execute(delete(CanonicalLabel).where(CanonicalLabel.model == model))
    rows = [
        {"model": model, "version": version, "label": label, "canonical": canonical}
        for version, labels in maps.items()
        for label, canonical in labels.items()
    ]
    if rows:
        db.session.execute(insert(CanonicalLabel), rows)
