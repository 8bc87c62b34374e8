"""Detectors on the pages of the models: listed, their card in words, promoted, rolled back."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from webapp.config import Config
from webapp.domain import SHORT
from webapp.extensions import Extensions, get_registry, get_tools
from webapp.inference.metrics.box_metrics import PhotoBoxes
from webapp.inference.models.card import InputSpec
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.detector_gate import SeenPhoto, compare_detectors
from webapp.services.jobs.types import compare_detectors as compare_detectors_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.models.compare_detectors import DetectorsCompared

NAME = "car-detector"


def counted(share: float, n: int) -> dict[str, object]:
    return {"n": n, "share": share, "interval": [0.0, 1.0]}


TEST = {
    "main_car": {"iou50": counted(0.99, 200), "iou80": counted(0.95, 200)},
    "recall": {"small": counted(0.5, 10), "medium": counted(0.8, 20), "large": counted(0.95, 40)},
    "sources": {"streets": {"main_car": {"iou50": counted(0.9, 50)}}},
}


def card(number: int) -> DetectorCard:
    return DetectorCard(
        name=NAME,
        version=number,
        title="Car detector",
        summary="Finds cars in any photo.",
        input=InputSpec(192, 256),
        threshold=0.5,
        limits=("Toys. It may take them for cars.",),
        metrics={"test": TEST, "unknown": {"n": 100, "false_alarms": 2, "without": 0.98}},
        data=({"source": "streets", "photos": 300, "licence": "none stated", "note": ""},),
        training={
            "history": [
                {"stage": "all layers", "seconds": 9.0, "loss": 3.0, "validation_loss": 2.0},
                {"stage": "all layers", "seconds": 9.0, "loss": 2.0, "validation_loss": 1.0},
            ]
        },
    )


@pytest.fixture(autouse=True)
def two_versions(app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 1 is live, version 2 waits; both can be loaded."""
    for number in (1, 2):
        folder = config.models / NAME / str(number)
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(card(number).to_json(), encoding="utf-8")
    (config.models / NAME / "LIVE").write_text("1\n", encoding="ascii")

    def load(_extensions: Extensions, _name: str, number: int) -> SimpleNamespace:
        return SimpleNamespace(card=card(number))

    monkeypatch.setattr(Extensions, "detector_version", load)


def compared() -> DetectorsCompared:
    """A challenger that finds the car of each of twelve photos; the champion finds none."""
    car, none = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32), np.zeros((0, 4), np.float32)
    missed = PhotoBoxes(none, np.zeros(0), car, none)
    found = PhotoBoxes(car, np.ones(1), car, none)
    photos = [SeenPhoto(f"{number}.jpg", f"{number:064}", (missed, found)) for number in range(12)]
    return DetectorsCompared(compare_detectors((card(1), card(2)), photos), 0, ())


def live_version(app: Flask) -> int | None:
    with app.app_context():
        return get_registry().live_version(NAME)


def test_detectors_stand_below_the_classifiers(client: FlaskClient) -> None:
    page = client.get("/models").text
    assert page.index("f1-teams 1") < page.index("car-detector 2") < page.index("car-detector 1")
    assert "finds the largest car in 99\u202f% of 200 photos" in page


def test_the_card_of_a_detector_is_told_in_words(client: FlaskClient) -> None:
    page = client.get(f"/models/{NAME}/1").text
    assert "finds the largest car in 99\u202f%." in page and "Finds cars in any photo." in page
    assert "Live: it finds the cars in every photo" in page
    for part in (
        "streets",
        "Small cars",
        "Photos of other things",
        "Toys",
        "Loss after each epoch",
    ):
        assert part in page
    assert "Right on validation photos" not in page  # a detector names nothing


def test_a_detector_without_figures_has_a_page(client: FlaskClient, config: Config) -> None:
    bare = DetectorCard(
        name=NAME, version=3, title="Bare", summary="", input=InputSpec(64, 64), threshold=0.5
    )
    folder = config.models / NAME / "3"
    folder.mkdir()
    (folder / "card.json").write_text(bare.to_json(), encoding="utf-8")
    assert "This card has no figures." in client.get(f"/models/{NAME}/3").text
    assert client.get("/models").status_code == client.get(f"/models/{NAME}").status_code == 200


def test_an_unknown_version_is_not_there(client: FlaskClient) -> None:
    assert client.get(f"/models/{NAME}/9").status_code == 404


def test_an_admin_lets_another_version_serve_and_says_why(app: Flask, admin: FlaskClient) -> None:
    data = {"version": "2", "why": "finds small cars"}
    page = admin.post(f"/models/{NAME}/promote", data=data, follow_redirects=True).text
    assert live_version(app) == 2 and "car-detector 2 is live instead of version 1." in page
    assert "“finds small cars”" in page


def test_without_a_reason_the_live_version_stays(app: Flask, admin: FlaskClient) -> None:
    answer = admin.post(f"/models/{NAME}/promote", data={"version": "2"})
    assert live_version(app) == 1 and answer.status_code == 409 and "Say why" in answer.text


def test_an_admin_goes_back(app: Flask, admin: FlaskClient) -> None:
    admin.post(f"/models/{NAME}/promote", data={"version": "2", "why": "newer"})
    page = admin.post(f"/models/{NAME}/rollback", follow_redirects=True).text
    assert live_version(app) == 1 and "car-detector 1 is live again" in page


def test_two_detectors_are_compared_on_their_page(admin: FlaskClient) -> None:
    assert f"/models/{NAME}/compare?a=1&amp;b=2" in admin.get(f"/models/{NAME}").text
    page = admin.get(f"/models/{NAME}/compare").text
    assert "Nothing to compare with." in page and "30 are needed." in page


def test_the_page_shows_the_figures_of_the_last_comparison(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_detectors_job, "compare_on_history", lambda *_, **__: compared())
    answer = admin.post(f"/models/{NAME}/compare", data={"a": "1", "b": "2"})
    assert answer.status_code == 303
    with app.app_context():
        Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    page = admin.get(f"/models/{NAME}/compare?a=1&b=2").text
    assert "Version 2 is better" in page and "than version 1." in page
    assert "Version 2 finds 12 of 12 cars in 12 photos, version 1 0." in page
    assert "Average precision" in page and "100.0\u202f%" in page


def test_the_json_api_promotes_a_detector_and_goes_back(
    app: Flask, client: FlaskClient, key: dict[str, str]
) -> None:
    call = f"/api/v1/models/{NAME}"
    body = {"version": 2, "why": "finds small cars"}
    assert client.post(f"{call}/promote", json={"version": 2}, headers=key).status_code == 409
    assert client.post(f"{call}/promote", json=body, headers=key).json["to"] == 2
    assert client.post(f"{call}/rollback", json={}, headers=key).json["to"] == 1
    assert client.get(f"{call}/compare?a=1&b=2", headers=key).status_code == 404


def test_the_footer_names_the_live_detector(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Cars are found by" not in client.get("/help").text
    monkeypatch.setattr(Extensions, "live_detector", lambda _extensions: NAME)
    address = f'<a href="/models/{NAME}/1">'
    assert f"Cars are found by {address}{NAME} 1</a>" in client.get("/help").text
