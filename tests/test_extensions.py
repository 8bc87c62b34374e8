"""The extensions: which models are live, and who looks at a photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import install
from tests.fakes import FakeClassifier, make_card, make_cars_card
from webapp import extensions as ext
from webapp.config import Config
from webapp.errors import ModelNotFoundError, ModelUnavailableError
from webapp.extensions import MOST_LOADED, Extensions
from webapp.inference.models.registry import Registry


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was loaded, in order. A version whose folder has a file `damaged` cannot be."""
    names: list[str] = []

    def load(registry: Registry, name: str, version: int, engine: str) -> FakeClassifier:
        if Path(registry.version_folder(name, version) / "damaged").exists():
            raise ModelUnavailableError("the file is damaged")
        names.append(f"{name} {version}")
        return FakeClassifier(registry.card(name, version))

    monkeypatch.setattr(ext, "load_classifier", load)
    return names


@pytest.fixture
def extensions(app: Flask, config: Config, loaded: list[str]) -> Iterator[Extensions]:
    install(make_cars_card(), config.models)
    with app.app_context():
        yield Extensions(config)


def test_every_live_model_can_be_asked_and_is_loaded_once(
    extensions: Extensions, loaded: list[str]
) -> None:
    for name in ("", "stanford-cars", "f1-teams", "stanford-cars", ""):
        extensions.classifier(name)
    assert loaded == ["f1-teams 1", "stanford-cars 1"]


def test_the_sites_own_model_comes_first(extensions: Extensions, config: Config) -> None:
    assert extensions.live_models() == ["f1-teams", "stanford-cars"]
    chosen = Extensions(config.model_copy(update={"model": "stanford-cars"}))
    assert chosen.live_models() == ["stanford-cars", "f1-teams"]
    assert chosen.classifier().card.name == "stanford-cars"


def test_a_new_live_version_takes_the_place_of_the_old_one(
    extensions: Extensions, config: Config, loaded: list[str]
) -> None:
    extensions.classifiers("all")
    install(make_cars_card(2), config.models)
    assert [item.card.version for item in extensions.classifiers("all")] == [1, 2]
    assert loaded == ["f1-teams 1", "stanford-cars 1", "stanford-cars 2"]


def test_only_so_many_stay_loaded(
    extensions: Extensions, config: Config, loaded: list[str]
) -> None:
    for number in range(MOST_LOADED):
        install(make_card(name=f"more-{number}"), config.models)
    extensions.classifiers("all")
    extensions.classifier(f"more-{MOST_LOADED - 1}")
    extensions.classifier()
    assert loaded.count("f1-teams 1") == 2 and loaded.count(f"more-{MOST_LOADED - 1} 1") == 1


def test_of_all_a_damaged_one_is_left_out(extensions: Extensions, config: Config) -> None:
    (config.models / "f1-teams" / "1" / "damaged").touch()
    assert [item.card.name for item in extensions.classifiers("all")] == ["stanford-cars"]
    with pytest.raises(ModelUnavailableError):
        extensions.classifiers("f1-teams")


def test_when_none_can_be_used_it_says_so(extensions: Extensions, config: Config) -> None:
    for name in ("f1-teams", "stanford-cars"):
        (config.models / name / "1" / "damaged").touch()
    with pytest.raises(ModelUnavailableError, match="damaged"):
        extensions.classifiers("all")


def test_a_name_that_is_not_live_is_not_found(extensions: Extensions, config: Config) -> None:
    (config.models / "stanford-cars" / "LIVE").unlink()
    for name in ("stanford-cars", "nothing", "../f1-teams"):
        with pytest.raises(ModelNotFoundError, match="Live: f1-teams"):
            extensions.classifier(name)
        assert extensions.card(name) is None


def test_without_any_model_all_is_an_error_too(config: Config) -> None:
    with pytest.raises(ModelUnavailableError, match="No model is installed"):
        Extensions(config).classifiers("all")
