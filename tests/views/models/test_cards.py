"""The list of versions and one version's card."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.conftest import install
from tests.fakes import FakeClassifier, make_card
from webapp.config import Config

METRICS = {
    "test": {
        "n": 30,
        "top1": 0.9,
        "sources": {"photos": {"n": 20, "top1": 0.95}, "game frames": {"n": 10, "top1": 0.8}},
        "per_label": {
            "haas": {"n": 12, "recall": 0.75, "precision": 0.9, "f1": 0.82},
            "bwt": {"n": 18, "recall": 1.0, "precision": None, "f1": 1.0},
        },
        "confusion": [[2 if row == column else 0 for column in range(10)] for row in range(9)]
        + [[0, 3] + [0] * 7 + [9]],
        "reliability": [{"from": 0.9, "to": 1.0, "n": 20, "confidence": 0.97, "accuracy": 0.95}],
    },
    "unknown": {"n": 40, "unclassified": 0.9},
}


def test_the_list_names_versions_and_the_live_one(client: FlaskClient, config: Config) -> None:
    (config.models / "f1-teams" / "2").mkdir()
    (config.models / "f1-teams" / "2" / "card.json").write_text(
        make_card(2, metrics=METRICS).to_json()
    )
    page = client.get("/models").text
    assert (
        page.index("f1-teams 2") < page.index("f1-teams 1")
        and page.count('class="live"') == 1
        and "95\u202f%" in page
    )


def test_a_broken_card_is_said_in_the_list(client: FlaskClient, config: Config) -> None:
    (config.models / "f1-teams" / "2").mkdir()
    (config.models / "f1-teams" / "2" / "card.json").write_text("{")
    assert "card.json is not JSON" in client.get("/models").text
    assert client.get("/models/f1-teams/2").status_code == 422


def test_a_card_without_figures_is_shown(client: FlaskClient) -> None:
    page = client.get("/models/f1-teams/1").text
    assert (
        "Ten teams by their liveries." in page
        and "This card has no figures." in page
        and "Road cars." in page
    )


def test_a_card_tells_how_it_was_measured(client: FlaskClient, config: Config) -> None:
    install(make_card(3, name="measured", metrics=METRICS), config.models)
    page = client.get("/models/measured/3").text
    assert (
        "Held-out photos" in page
        and "Held-out game frames" in page
        and "Photos of other things" in page
    )
    assert (
        "Williams taken for BWT: 3 times" in page and 'class="matrix"' in page and "Does 90" in page
    )


def test_a_card_tells_that_it_was_measured_on_detected_cars(
    client: FlaskClient, config: Config
) -> None:
    training = {"settings": {"cars": "detect"}}
    install(make_card(3, name="cut", metrics=METRICS, training=training), config.models)
    assert "the main car that a detector found" in client.get("/models/cut/3").text


def test_a_card_tells_how_it_learned(client: FlaskClient, config: Config) -> None:
    lines = [
        {"stage": "head", "seconds": 9},
        *(
            {"stage": "all", "seconds": 60, "loss": 1 / n, "validation_top1": 0.5}
            for n in (1, 2, 3)
        ),
    ]
    training = {"history": lines, "best_epoch": 3, "seconds": 3900, "weights": "imagenet"}
    install(make_card(3, name="kept", training=training), config.models)
    page = client.get("/models/kept/3").text
    assert "3 epochs in 1\u202fh 5\u202fmin, from ImageNet weights. Kept is epoch 3" in page
    assert page.count("<svg xmlns") == 3 and "Loss after each epoch" in page


@pytest.mark.parametrize(
    "history",
    [
        None,
        [],
        "lines",
        [{"stage": "<b>", "loss": "low", "seconds": None}, 7, {"loss": float("nan")}],
    ],
)
def test_a_card_from_elsewhere_may_say_nothing_of_use_about_training(
    client: FlaskClient, config: Config, history: object
) -> None:
    install(
        make_card(3, name="odd", training={"history": history, "best_epoch": "?"}), config.models
    )
    page = client.get("/models/odd/3")
    assert (
        page.status_code == 200
        and "How it was trained" in page.text
        and "<b>" not in page.text.partition("How it was trained")[2].partition("</table>")[0]
    )


def test_an_unknown_version_is_not_there(client: FlaskClient) -> None:
    assert client.get("/models/f1-teams/9").status_code == 404
    assert client.get("/models/nothing/1").status_code == 404


def test_no_model_at_all_is_said(make_app, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    app = make_app(FakeClassifier(), models=tmp_path / "none")
    assert "No model is installed" in app.test_client().get("/models").text
