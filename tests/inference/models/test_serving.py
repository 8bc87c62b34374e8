"""A version that cannot be used never leaves the model without an answer while another can."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import install
from tests.fakes import FakeClassifier, make_card
from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier
from webapp.inference.models import serving as room
from webapp.inference.models.registry import Registry
from webapp.inference.models.serving import Serving


class House:
    """Three versions of a model, the third live; `broken` ones cannot be loaded, `before` were live earlier."""

    def __init__(self, models: Path) -> None:
        for version in (1, 2, 3):
            install(make_card(version), models)
        self.registry = Registry(models)
        self.broken: set[int] = set()
        self.before: list[int] = []
        self.loaded: list[int] = []
        self.serving = Serving(self.registry, self.load, lambda _name: self.before)

    def load(self, name: str, version: int) -> Classifier:
        self.loaded.append(version)
        if version in self.broken:
            raise ModelUnavailableError(f"{name} {version}: model.tflite is missing")
        return FakeClassifier(self.registry.card(name, version))

    def answers(self) -> int:
        return self.serving.classifier("f1-teams").card.version


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_live_version_answers_and_is_loaded_once(house: House) -> None:
    assert [house.answers(), house.answers()] == [3, 3]
    assert house.loaded == [3]
    assert house.serving.trouble("f1-teams") == ""


def test_another_live_version_answers_the_next_photo(house: House) -> None:
    house.answers()
    house.registry.make_live("f1-teams", 1)
    assert house.answers() == 1


def test_the_newest_other_version_answers_for_a_broken_one(house: House) -> None:
    house.broken = {3}
    assert house.answers() == 2
    assert (
        house.serving.trouble("f1-teams")
        == "f1-teams 3 cannot be used: model.tflite is missing; version 2 answers."
    )
    assert house.serving.card("f1-teams") == make_card(2)


def test_the_version_that_was_live_before_goes_first(house: House) -> None:
    house.broken, house.before = {3}, [3, 1]
    assert house.answers() == 1


def test_what_answered_until_now_goes_on_when_a_broken_version_becomes_live(house: House) -> None:
    house.registry.make_live("f1-teams", 1)
    house.answers()
    house.broken = {3}
    house.registry.make_live("f1-teams", 3)
    assert house.answers() == 1
    assert house.loaded == [1, 3]


def test_a_mended_version_answers_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RETRY_AFTER", 0.0)
    house.broken = {3}
    assert house.answers() == 2
    house.broken = set()
    assert house.answers() == 3
    assert house.serving.trouble("f1-teams") == ""


def test_a_live_version_whose_folder_is_gone_is_replaced(house: House) -> None:
    house.registry.make_live("f1-teams", 2)
    (house.registry.folder / "f1-teams" / "2" / "card.json").unlink()
    (house.registry.folder / "f1-teams" / "2").rmdir()
    assert house.answers() == 3


def test_an_unreadable_live_file_is_named(house: House) -> None:
    (house.registry.folder / "f1-teams" / "LIVE").write_bytes(b"\xff\x00")
    assert house.answers() == 3
    assert "its LIVE file names no version; version 3 answers" in house.serving.trouble("f1-teams")


def test_when_all_are_broken_the_live_one_is_blamed(house: House) -> None:
    house.broken = {1, 2, 3}
    with pytest.raises(ModelUnavailableError, match="The model f1-teams 3 cannot be used"):
        house.answers()
    assert house.serving.card("f1-teams") == make_card(3)


def test_a_broken_version_is_not_tried_with_every_photo(house: House) -> None:
    house.broken = {1, 2, 3}
    for _ in range(3):
        with pytest.raises(ModelUnavailableError):
            house.answers()
    assert sorted(house.loaded) == [1, 2, 3]
