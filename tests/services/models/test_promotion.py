"""Which version is live: who may take over, going back, what served when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import draw, install
from tests.fakes import TEAMS, FakeClassifier, make_card
from webapp.config import Config
from webapp.domain import Who
from webapp.errors import (
    ModelRefusedError,
    ModelUnavailableError,
    PromotionRefusedError,
    StorageFullError,
)
from webapp.inference.classifier import Classifier
from webapp.inference.models.held_out import LabelledPhoto, Split, hashed, once_each
from webapp.inference.models.registry import Registry
from webapp.services.models import promotion
from webapp.services.models.compare import FolderComparison, compare_on_photos
from webapp.services.models.promotion import Decision
from webapp.storage.database import db
from webapp.training.readers import list_photos
from webapp.training.recipe import Layout

ANNA = Who("Anna")


@pytest.fixture
def registry(app: Flask, config: Config) -> Iterator[Registry]:
    """Version 1 is live, versions 2 and 3 wait."""
    for version in (2, 3):
        install(make_card(version), config.models)
    registry = Registry(config.models)
    registry.make_live("f1-teams", 1)
    with app.app_context():
        yield registry


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos of each of two teams, in the teams' colours."""
    for label in ("haas", "mclaren"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for mark in range(3):
            (tmp_path / "photos" / label / f"{mark}.png").write_bytes(
                draw(TEAMS[label][1], mark=mark, format="PNG")
            )
    return tmp_path / "photos"


def good(version: int) -> FakeClassifier:
    return FakeClassifier(make_card(version))


def poor(version: int) -> FakeClassifier:
    """Takes everything for a Ferrari."""
    classifier = good(version)
    classifier.says(ferrari=0.9)
    return classifier


def listed(folder: Path) -> list[LabelledPhoto]:
    return [hashed(photo) for photo in list_photos(folder, Layout()).photos]


def compared(
    versions: tuple[Classifier, Classifier],
    photos: Path,
    splits: Sequence[Split | None] = ({}, {}),
    *,
    any_photo: bool = False,
) -> FolderComparison:
    cards = (versions[0].card, versions[1].card)
    kept, _, left_out = once_each(listed(photos))
    return compare_on_photos(versions, (kept, left_out), splits, cards, any_photo=any_photo)


def load(name: str, version: int) -> Classifier:
    return good(version)


def test_a_better_version_takes_over(registry: Registry, photos: Path) -> None:
    result = compared((poor(1), good(2)), photos)
    row = promotion.promote(registry, good(2), Decision(ANNA), comparison=result.comparison)
    assert registry.live_version("f1-teams") == 2
    assert (row.from_version, row.to_version, row.forced, row.who) == (1, 2, False, "Anna")
    assert row.figures is not None
    assert row.figures["verdict"] == "better"
    assert len(row.figures["fixed"]) == 6


@pytest.mark.parametrize(
    ("champion", "challenger", "words"),
    [(good, poor, "is worse than"), (good, good, "is no better than")],
)
def test_one_that_is_no_better_is_refused(
    registry: Registry, photos: Path, champion, challenger, words: str
) -> None:
    result = compared((champion(1), challenger(2)), photos)
    with pytest.raises(PromotionRefusedError, match=words):
        promotion.promote(registry, challenger(2), Decision(ANNA), comparison=result.comparison)
    assert registry.live_version("f1-teams") == 1
    assert promotion.history("f1-teams") == []


def test_without_a_comparison_it_is_refused(registry: Registry) -> None:
    with pytest.raises(PromotionRefusedError, match="has not been compared"):
        promotion.promote(registry, good(2), Decision(ANNA))


def test_a_comparison_with_another_champion_does_not_count(
    registry: Registry, photos: Path
) -> None:
    result = compared((poor(3), good(2)), photos)
    with pytest.raises(PromotionRefusedError, match="has not been compared"):
        promotion.promote(registry, good(2), Decision(ANNA), comparison=result.comparison)


def test_force_needs_a_reason_and_is_remembered(registry: Registry) -> None:
    with pytest.raises(PromotionRefusedError, match="Say why"):
        promotion.promote(registry, good(2), Decision(ANNA, force=True))
    row = promotion.promote(registry, good(2), Decision(ANNA, "new liveries", force=True))
    assert (row.forced, row.why) == (True, "new liveries")


def test_for_a_live_version_that_is_broken_any_other_may_come(registry: Registry) -> None:
    promotion.promote(registry, good(2), Decision(ANNA), champion_works=False)
    assert registry.live_version("f1-teams") == 2


def test_going_back_goes_back_step_by_step(registry: Registry) -> None:
    for version in (2, 3):
        promotion.promote(registry, good(version), Decision(ANNA, "a try", force=True))
    assert (
        promotion.rollback(registry, "f1-teams", load, Decision(ANNA, "complaints")).to_version == 2
    )
    assert promotion.rollback(registry, "f1-teams", load, Decision(ANNA)).to_version == 1
    assert registry.live_version("f1-teams") == 1
    assert [
        (row.kind, row.from_version, row.to_version) for row in promotion.history("f1-teams")
    ] == [
        ("rollback", 2, 1),
        ("rollback", 3, 2),
        ("promote", 2, 3),
        ("promote", 1, 2),
    ]


def test_there_is_nothing_to_go_back_to_before_the_first_change(registry: Registry) -> None:
    with pytest.raises(PromotionRefusedError, match="Nobody wrote down"):
        promotion.rollback(registry, "f1-teams", load, Decision(ANNA))


def test_it_does_not_go_back_to_a_broken_version(registry: Registry) -> None:
    def broken(name: str, version: int) -> Classifier:
        raise ModelUnavailableError("broken")

    promotion.promote(registry, good(2), Decision(ANNA, "a try", force=True))
    with pytest.raises(ModelUnavailableError):
        promotion.rollback(registry, "f1-teams", broken, Decision(ANNA))
    assert registry.live_version("f1-teams") == 2


def test_the_live_version_cannot_be_promoted_again(registry: Registry) -> None:
    with pytest.raises(PromotionRefusedError, match="is live already"):
        promotion.promote(registry, good(1), Decision(ANNA))


def test_what_cannot_be_remembered_does_not_happen(registry: Registry) -> None:
    db.session.connection().exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StorageFullError):
        promotion.promote(registry, good(2), Decision(ANNA, "a try", force=True))
    assert registry.live_version("f1-teams") == 1


def test_photos_a_version_was_trained_on_are_left_out(photos: Path) -> None:
    trained_on = {photo.sha256: "train" for photo in listed(photos) if photo.label == "haas"}
    result = compared((good(1), good(2)), photos, [trained_on, {}])
    assert (result.comparison.n, result.trained_on) == (3, 3)


def test_it_refuses_when_nobody_knows_what_a_version_was_trained_on(photos: Path) -> None:
    with pytest.raises(ModelRefusedError, match="not known which photos version 2 was trained on"):
        compared((good(1), good(2)), photos, [{}, None])
    assert compared((good(1), good(2)), photos, [{}, None], any_photo=True).comparison.n == 6


def test_it_refuses_when_a_version_was_trained_on_every_photo(photos: Path) -> None:
    trained_on = {photo.sha256: "train" for photo in listed(photos)}
    with pytest.raises(ModelRefusedError, match="trained on each of the 6 photos"):
        compared((good(1), good(2)), photos, [trained_on, {}])


def test_it_names_files_that_are_no_photos_and_labels_nobody_knows(photos: Path) -> None:
    (photos / "haas" / "notes.txt").write_text("no photo")
    (photos / "boat").mkdir()
    (photos / "boat" / "a.jpg").write_bytes(draw("#123456"))
    result = compared((good(1), good(2)), photos)
    assert result.other_labels == 1
    assert result.left_out[0].startswith("photos/haas/notes.txt: ")
