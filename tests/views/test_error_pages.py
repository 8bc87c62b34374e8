"""Errors as pages."""

from __future__ import annotations

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from webapp import errors
from webapp.http import messages
from webapp.views.error_pages import TITLES


def answer_to(app: Flask, error: Exception) -> FlaskClient:
    """A browser at an app whose page /broken raises `error`."""
    app.testing = False

    def broken() -> str:
        raise error

    app.add_url_rule("/broken", view_func=broken)
    return app.test_client()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotAllowedError("Ask an admin."), 403),
        (errors.PhotoNotFoundError("It is gone."), 404),
        (errors.NothingToUndoError("It was undone already."), 409),
        (errors.PhotoTooLargeError("Make it smaller."), 413),
        (errors.UnknownLabelError("There is no such label."), 422),
        (errors.StorageFullError("Nothing was stored."), 507),
    ],
)
def test_the_page_has_the_status_and_the_sentence(
    fresh_app: Flask, error: Exception, status: int
) -> None:
    answer = answer_to(fresh_app, error).get("/broken")
    assert answer.status_code == status and str(error) in answer.text and "<main" in answer.text


def test_a_full_server_says_when_to_come_back(fresh_app: Flask) -> None:
    answer = answer_to(fresh_app, errors.ServerBusyError("Busy.", retry_after=7)).get("/broken")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "7"


def test_an_unexpected_error_tells_nothing_of_itself(fresh_app: Flask) -> None:
    answer = answer_to(fresh_app, RuntimeError("secret detail")).get("/broken")
    assert (
        answer.status_code == 500
        and "secret detail" not in answer.text
        and "The fault is ours" in answer.text
    )


def test_the_script_gets_words_in_json(fresh_app: Flask) -> None:
    answer = answer_to(fresh_app, errors.NotAllowedError("Ask an admin.")).get(
        "/broken", headers={"Accept": "application/json"}
    )
    assert answer.json == {"error": "Ask an admin."} and answer.status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/photos", "/photos/x/y", "/admin", "/static/nothing.css", "/models/f1-teams/one"],
)
def test_an_unknown_address_is_not_there(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 and "There is no page here." in answer.text


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.get("/labels/undo")
    assert answer.status_code == 405 and "POST" in answer.headers["Allow"]


def test_a_form_that_is_too_large_is_refused_in_words(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MAX_VISITORS_ZIP", 1000)
    answer = app.test_client().post("/", data={"ground_truth": "x" * 2000})
    assert answer.status_code == 413 and "Nothing was stored" in answer.text


def test_a_sentence_written_for_the_case_is_shown(fresh_app: Flask) -> None:
    fresh_app.add_url_rule("/shut", view_func=lambda: abort(401, "Log in first, please."))
    assert "Log in first, please." in fresh_app.test_client().get("/shut").text


def test_without_a_database_an_error_is_still_answered(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_database(_session_id: str) -> None:
        raise OperationalError("select", {}, Exception("disk I/O error"))

    monkeypatch.setattr("webapp.services.accounts.users.user_of_session", no_database)
    answer = admin.get("/gallery")
    assert answer.status_code == 503 and "Something broke" in answer.text


def test_every_status_that_an_error_may_have_has_a_title() -> None:
    classes = [errors.MarqueError]
    for error in classes:
        classes += error.__subclasses__()
    assert len(classes) > 40
    assert {error.status for error in classes} <= set(TITLES)
