"""A version that cannot be used never leaves the model without an answer while another can."""

from pathlib import Path

import pytest

from tests.conftest import install
from tests.fakes import FakeClassifier, make_card
from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier
from webapp.inference.models import serving
from webapp.inference.models.registry import Registry
from webapp.inference.models.serving import Serving


class Models:
    """Three versions of a model, the third live.

    `broken` ones cannot be loaded, `before` were live earlier.
    """

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
        return self.serving.live("f1-teams").card.version


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


def test_the_live_version_answers_and_is_loaded_once(models: Models) -> None:
    assert [models.answers(), models.answers()] == [3, 3]
    assert models.loaded == [3]
    assert models.serving.trouble("f1-teams") == ""


def test_another_live_version_answers_the_next_photo(models: Models) -> None:
    models.answers()
    models.registry.make_live("f1-teams", 1)
    assert models.answers() == 1


def test_the_newest_other_version_answers_for_a_broken_one(models: Models) -> None:
    models.broken = {3}
    assert models.answers() == 2
    assert (
        models.serving.trouble("f1-teams")
        == "f1-teams 3 cannot be used: model.tflite is missing; version 2 answers."
    )
    assert models.serving.card("f1-teams") == make_card(2)


def test_the_version_that_was_live_before_goes_first(models: Models) -> None:
    models.broken, models.before = {3}, [3, 1]
    assert models.answers() == 1


def test_what_answered_until_now_goes_on_when_a_broken_version_becomes_live(models: Models) -> None:
    models.registry.make_live("f1-teams", 1)
    models.answers()
    models.broken = {3}
    models.registry.make_live("f1-teams", 3)
    assert models.answers() == 1
    assert models.loaded == [1, 3]


def test_a_repaired_version_answers_again(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "RETRY_AFTER", 0.0)
    models.broken = {3}
    assert models.answers() == 2
    models.broken = set()
    assert models.answers() == 3
    assert models.serving.trouble("f1-teams") == ""


def test_a_live_version_whose_folder_is_gone_is_replaced(models: Models) -> None:
    models.registry.make_live("f1-teams", 2)
    (models.registry.folder / "f1-teams" / "2" / "card.json").unlink()
    (models.registry.folder / "f1-teams" / "2").rmdir()
    assert models.answers() == 3


def test_an_unreadable_live_file_is_named(models: Models) -> None:
    (models.registry.folder / "f1-teams" / "LIVE").write_bytes(b"\xff\x00")
    assert models.answers() == 3
    assert "its LIVE file names no version; version 3 answers" in models.serving.trouble("f1-teams")


def test_when_all_are_broken_the_live_one_is_blamed(models: Models) -> None:
    models.broken = {1, 2, 3}
    with pytest.raises(ModelUnavailableError, match="The model f1-teams 3 cannot be used"):
        models.answers()
    assert models.serving.card("f1-teams") == make_card(3)


def test_a_broken_version_is_not_tried_with_every_photo(models: Models) -> None:
    models.broken = {1, 2, 3}
    for _ in range(3):
        with pytest.raises(ModelUnavailableError):
            models.answers()
    assert sorted(models.loaded) == [1, 2, 3]
