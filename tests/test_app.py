"""The factory: headers on every answer, and errors that nobody foresaw."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize
from sqlalchemy.exc import OperationalError

PATHS = (
    "/",
    "/gallery",
    "/login",
    "/no/such/page",
    "/api/v1/photos",
    "/api/v1/no",
    "/ping",
    "/static/marque.css",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers_an_auditor_expects(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def failing(app: Flask, path: str, error: Exception) -> FlaskClient:
    def fail() -> None:
        raise error

    app.testing = False
    app.add_url_rule(path, "fail", fail)
    return app.test_client()


@pytest.mark.parametrize("path", ["/boom", "/api/v1/boom"])
def test_an_unforeseen_error_says_nothing_about_the_inside(fresh_app: Flask, path: str) -> None:
    answer = failing(fresh_app, path, ValueError("secret detail")).get(path)
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


def test_a_database_that_cannot_be_read_is_a_503(fresh_app: Flask) -> None:
    answer = failing(
        fresh_app, "/api/v1/boom", OperationalError("SELECT", {}, Exception("disk I/O error"))
    ).get("/api/v1/boom")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_a_body_in_senseless_chunks_is_a_400(fresh_app: Flask) -> None:
    assert (
        failing(fresh_app, "/api/v1/boom", InvalidChunkSize(b"zz")).get("/api/v1/boom").status_code
        == 400
    )


@pytest.mark.parametrize("path", ["/console", "/?__debugger__=yes&cmd=resource&f=style.css"])
def test_there_is_no_debugger(client: FlaskClient, path: str) -> None:
    assert b"Werkzeug" not in client.get(path).data


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(admin: FlaskClient) -> None:
    cookie = admin.get_cookie("marque")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
