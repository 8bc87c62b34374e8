"""Saying what a photo really shows, and taking it back."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.views.conftest import Send
from webapp.errors import ModelUnavailableError
from webapp.extensions import Extensions
from webapp.inference.classifier import Classifier
from webapp.services.photos import gallery as history


def truth(app: Flask, public_id: str) -> str | None:
    with app.app_context():
        return history.get_photo(public_id).ground_truth


def batch_of(page: str) -> str:
    match = re.search(r'name="batch" value="([\w-]+)"', page)
    assert match is not None
    return match[1]


def no_model(_extensions: Extensions, _choice: str) -> list[Classifier]:
    raise ModelUnavailableError("No model is installed.")


def test_one_press_checks_a_photo(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    answer = reviewer.post(
        f"/photos/{public_id}/label", data={"label": "williams"}, follow_redirects=True
    )
    assert answer.request.path == f"/photos/{public_id}"
    assert "Saved: 1 photo is" in answer.text and "it really is <b>Williams</b>" in answer.text
    assert truth(app, public_id) == "williams"


def test_undo_brings_the_label_from_before_back(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    public_id = send(ground_truth="haas")
    page = reviewer.post(
        f"/photos/{public_id}/label", data={"label": "bwt"}, follow_redirects=True
    ).text
    answer = reviewer.post(
        "/labels/undo",
        data={"batch": batch_of(page), "next": f"/photos/{public_id}"},
        follow_redirects=True,
    )
    assert "Undone: 1 photo" in answer.text and truth(app, public_id) == "haas"


def test_a_label_is_taken_back_also_while_no_model_can_be_used(
    app: Flask, reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_id = send()
    data = {"label": "bwt"}
    page = reviewer.post(f"/photos/{public_id}/label", data=data, follow_redirects=True).text
    monkeypatch.setattr(Extensions, "classifiers", no_model)
    reviewer.post("/labels/undo", data={"batch": batch_of(page)})
    assert truth(app, public_id) is None


def test_what_was_undone_can_be_put_back(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    page = reviewer.post(
        f"/photos/{public_id}/label", data={"label": "bwt"}, follow_redirects=True
    ).text
    reviewer.post("/labels/undo", data={"batch": batch_of(page)})
    page = reviewer.get(f"/photos/{public_id}").text
    assert "Put it back" in page
    event = re.search(r'name="event" value="(\d+)"', page)
    reviewer.post("/labels/undo", data={"event": event[1] if event else ""})
    assert truth(app, public_id) == "bwt"


def test_many_are_labelled_at_once_and_undone_at_once(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    picked = [send(mark=number) for number in range(3)]
    answer = reviewer.post(
        "/gallery/many",
        data={"ids": picked, "label": "renault", "next": "/gallery?size=small"},
        follow_redirects=True,
    )
    assert (
        answer.request.full_path == "/gallery?size=small" and "Saved: 3 photos are" in answer.text
    )
    assert {truth(app, public_id) for public_id in picked} == {"renault"}
    reviewer.post("/labels/undo", data={"batch": batch_of(answer.text)})
    assert {truth(app, public_id) for public_id in picked} == {None}


def test_a_label_that_a_photo_has_already_is_not_saved_again(
    reviewer: FlaskClient, send: Send
) -> None:
    public_id = send(ground_truth="haas")
    answer = reviewer.post(
        f"/photos/{public_id}/label", data={"label": "haas"}, follow_redirects=True
    )
    assert "marked so already" in answer.text and "Saved" not in answer.text


@pytest.mark.parametrize("verdict", ["none", "unusable"])
def test_a_verdict_is_a_ground_truth(
    app: Flask, reviewer: FlaskClient, send: Send, verdict: str
) -> None:
    public_id = send()
    page = reviewer.post(
        f"/photos/{public_id}/label", data={"label": verdict}, follow_redirects=True
    ).text
    assert truth(app, public_id) == verdict and "Checked:" in page


def test_an_unknown_label_is_refused(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    answer = reviewer.post(f"/photos/{public_id}/label", data={"label": "trabant"})
    assert answer.status_code == 422 and "mclaren" in answer.text and truth(app, public_id) is None


def test_nothing_picked_is_said(reviewer: FlaskClient) -> None:
    answer = reviewer.post("/gallery/many", data={"label": "haas"}, follow_redirects=True)
    assert "No photo was selected" in answer.text and 'role="alert"' in answer.text


def test_one_unknown_photo_changes_nothing(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    assert (
        reviewer.post(
            "/gallery/many", data={"ids": [public_id, "gone"], "label": "haas"}
        ).status_code
        == 404
    )
    assert truth(app, public_id) is None


def test_undoing_nothing_is_said(reviewer: FlaskClient) -> None:
    answer = reviewer.post("/labels/undo", data={"batch": "nothing"}, follow_redirects=True)
    assert "nothing to undo" in answer.text


@pytest.mark.parametrize("path", ["/photos/{}/label", "/gallery/many", "/labels/undo"])
def test_a_visitor_changes_nothing(app: Flask, client: FlaskClient, send: Send, path: str) -> None:
    public_id = send()
    answer = client.post(
        path.format(public_id), data={"label": "haas", "ids": [public_id], "batch": "x"}
    )
    assert answer.status_code == 401 and truth(app, public_id) is None


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "evil",
        "javascript:alert(1)",
    ],
)
def test_it_never_leads_to_another_host(reviewer: FlaskClient, send: Send, target: str) -> None:
    public_id = send()
    answer = reviewer.post(f"/photos/{public_id}/label", data={"label": "haas", "next": target})
    assert answer.location == f"/photos/{public_id}"


def test_the_history_tells_who_said_what(reviewer: FlaskClient, send: Send) -> None:
    public_id = send(ground_truth="haas")
    page = reviewer.post(
        f"/photos/{public_id}/label", data={"label": "bwt"}, follow_redirects=True
    ).text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert "Ben said: BWT (was Haas)" in words and "A visitor said: Haas" in words
