"""Two versions on the photos of the history."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.conftest import install
from tests.fakes import TEAMS, FakeClassifier, make_card
from webapp.config import Config
from webapp.domain import Who
from webapp.errors import ModelRefusedError, ModelUnavailableError, PromotionRefusedError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import fingerprint, write_split
from webapp.inference.models.registry import Registry
from webapp.services.models import compare
from webapp.services.models.promotion import Decision, version_before
from webapp.services.photos import classify
from webapp.services.photos.classify import Pipeline
from webapp.services.photos.gallery import get_photo
from webapp.storage.database import db
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.tables import Photo

ANNA = Who("Anna")
Upload = Callable[..., str]


def with_split(models: Path, version: int, split: dict[str, str]) -> ModelCard:
    """Version `version`, which has learnt from `split`; not live."""
    card = make_card(version, split={"fingerprint": fingerprint(split)})
    folder = models / card.name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(card.to_json(), encoding="utf-8")
    write_split(folder, split)
    return card


@pytest.fixture
def registry(app: Flask, config: Config) -> Iterator[Registry]:
    """Version 1 is live, version 2 waits; what both have learnt from is known."""
    for version in (1, 2):
        with_split(config.models, version, {"0" * 64: "train"})
    with app.app_context():
        yield Registry(config.models)


@pytest.fixture
def labelled(
    client: FlaskClient, upload: Upload, key: dict[str, str]
) -> Callable[[int], list[str]]:
    """Checked photos of a Haas."""

    def make(number: int) -> list[str]:
        ids = [upload(TEAMS["haas"][1], mark=mark, name=f"{mark}.jpg") for mark in range(number)]
        for public_id in ids:
            client.put(
                f"/api/v1/photos/{public_id}/ground-truth", json={"label": "haas"}, headers=key
            )
        return ids

    return make


def version(number: int, **says: float) -> FakeClassifier:
    classifier = FakeClassifier(make_card(number))
    if says:
        classifier.says(**says)
    return classifier


def load(_name: str, number: int) -> Classifier:
    return version(number)


def ask(registry: Registry, challenger: FakeClassifier) -> compare.HistoryComparison:
    versions = (version(1), challenger)
    compare.answer_history(registry, Pipeline(versions, DatabaseFiles(), AdmissionLimiter(1, 1)))
    return compare.compare_on_history(registry, "f1-teams", 1, 2)


def test_with_few_photos_there_is_nothing_to_compare(
    registry: Registry, labelled: Callable[[int], list[str]]
) -> None:
    labelled(2)
    result = compare.compare_on_history(registry, "f1-teams", 1, 2)
    assert (result.state, result.photos, result.comparison) == (compare.FEW, 2, None)
    with pytest.raises(ModelRefusedError, match="30 are needed"):
        result.require_comparison()


def test_the_challenger_is_asked_and_the_gallery_shows_what_it_showed(
    registry: Registry, client: FlaskClient, labelled: Callable[[int], list[str]]
) -> None:
    first = labelled(30)[0]
    assert compare.compare_on_history(registry, "f1-teams", 1, 2).state == compare.WAITING
    challenger = version(2, ferrari=0.9)
    result = ask(registry, challenger)
    assert (result.state, result.waiting, challenger.ranked_photos) == (compare.READY, 0, 30)
    assert result.comparison is not None
    assert result.comparison.verdict == "worse"
    assert len(result.comparison.broken) == len(result.pictures) == 30
    assert client.get(f"/api/v1/photos/{first}").json["prediction"]["model"]["version"] == 1


def test_nobody_is_asked_twice(registry: Registry, labelled: Callable[[int], list[str]]) -> None:
    labelled(3)
    ask(registry, version(2))
    again = version(2)
    ask(registry, again)
    assert again.ranked_photos == 0


def test_photos_that_a_version_learnt_from_are_left_out(
    registry: Registry, config: Config, client: FlaskClient, labelled: Callable[[int], list[str]]
) -> None:
    first, second, _third = labelled(3)
    digests = [
        client.get(f"/api/v1/photos/{public_id}").json["sha256"] for public_id in (first, second)
    ]
    with_split(config.models, 2, {digests[0]: "train", digests[1]: "test"})
    result = compare.compare_on_history(registry, "f1-teams", 1, 2)
    assert (result.photos, result.trained_on) == (2, 1)


def test_a_version_without_its_list_is_named(
    registry: Registry, config: Config, labelled: Callable[[int], list[str]]
) -> None:
    (config.models / "f1-teams" / "2" / "split.json").unlink()
    labelled(30)
    result = ask(registry, version(2))
    assert (result.state, result.unknown) == (compare.UNKNOWN, (2,))


def test_a_better_version_takes_over(
    registry: Registry, labelled: Callable[[int], list[str]], classifier: FakeClassifier
) -> None:
    classifier.says(ferrari=0.9)
    labelled(30)
    ask(registry, version(2))
    row = compare.promote_on_history(registry, "f1-teams", 2, load, Decision(ANNA))
    assert (row.forced, row.figures["verdict"], registry.live_version("f1-teams")) == (
        False,
        "better",
        2,
    )  # type: ignore[index]
    fixed = {photo["sha256"] for photo in row.figures["fixed"]}  # type: ignore[index, attr-defined]
    assert len(fixed) == 30 and fixed == set(db.session.execute(select(Photo.sha256)).scalars())


def test_a_worse_version_needs_force_and_a_reason(
    registry: Registry, labelled: Callable[[int], list[str]]
) -> None:
    labelled(30)
    ask(registry, version(2, ferrari=0.9))
    with pytest.raises(PromotionRefusedError, match="is worse than version 1"):
        compare.promote_on_history(registry, "f1-teams", 2, load, Decision(ANNA, "please"))
    row = compare.promote_on_history(
        registry, "f1-teams", 2, load, Decision(ANNA, "new liveries", force=True)
    )
    assert (row.forced, row.figures["verdict"]) == (True, "worse")  # type: ignore[index]


def test_with_nothing_to_compare_a_reason_is_enough(registry: Registry) -> None:
    with pytest.raises(PromotionRefusedError, match="Say why"):
        compare.promote_on_history(registry, "f1-teams", 2, load, Decision(ANNA))
    assert compare.promote_on_history(
        registry, "f1-teams", 2, load, Decision(ANNA, "the first photos")
    ).forced


def test_for_a_broken_champion_nothing_is_asked(registry: Registry) -> None:
    def load(name: str, number: int) -> Classifier:
        if number == 1:
            raise ModelUnavailableError("broken")
        return version(number)

    assert not compare.promote_on_history(registry, "f1-teams", 2, load, Decision(ANNA)).forced


def test_a_photo_without_bytes_is_passed_over(
    registry: Registry, client: FlaskClient, labelled: Callable[[int], list[str]]
) -> None:
    gone = labelled(2)[0]
    DatabaseFiles().delete(client.get(f"/api/v1/photos/{gone}").json["sha256"])
    assert ask(registry, version(2)).waiting == 1


def test_labels_that_only_one_knows_do_not_count(
    registry: Registry, config: Config, labelled: Callable[[int], list[str]]
) -> None:
    labelled(2)
    card = make_card(2)
    fewer = dataclasses.replace(
        card, labels=tuple(label for label in card.labels if label.name != "haas")
    )
    (config.models / "f1-teams" / "2" / "card.json").write_text(fewer.to_json(), encoding="utf-8")
    assert compare.compare_on_history(registry, "f1-teams", 1, 2).photos == 0


def test_the_way_back_is_what_was_live_before(registry: Registry) -> None:
    assert version_before(registry, "f1-teams") is None
    compare.promote_on_history(registry, "f1-teams", 2, load, Decision(ANNA, "a try"))
    assert version_before(registry, "f1-teams") == 1


def test_a_first_version_needs_nothing(registry: Registry, config: Config) -> None:
    install(make_card(1, name="other"), config.models)
    (config.models / "other" / "LIVE").unlink()
    load = lambda _name, _number: FakeClassifier(make_card(1, name="other"))  # noqa: E731
    assert (
        compare.promote_on_history(registry, "other", 1, load, Decision(ANNA)).from_version is None
    )


def test_the_photos_page_names_what_the_challenger_said(
    registry: Registry, client: FlaskClient, labelled: Callable[[int], list[str]]
) -> None:
    photo = labelled(1)[0]
    ask(registry, version(2, ferrari=0.9))
    page = " ".join(client.get(f"/photos/{photo}").text.split())
    assert "f1-teams 2: Ferrari, 90 %" in page and "f1-teams 2 answered <b>Ferrari" in page
    assert client.get("/api/v1/photos?predicted=ferrari").json["items"] == []


def test_what_a_promoted_version_said_before_counts_when_it_is_asked_again(
    registry: Registry, client: FlaskClient, labelled: Callable[[int], list[str]]
) -> None:
    photo = labelled(1)[0]
    challenger = version(2, ferrari=0.9)
    ask(registry, challenger)
    pipeline = classify.Pipeline([challenger], DatabaseFiles(), AdmissionLimiter(1, 1))
    classify.ask_models(get_photo(photo), pipeline)
    assert client.get(f"/api/v1/photos/{photo}").json["prediction"]["model"]["version"] == 2
