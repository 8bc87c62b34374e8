"""Every form carries a token, and without it nothing happens."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD, draw
from tests.views.conftest import Send, form_of
from webapp.services.accounts import users
from webapp.services.photos import gallery as history

BLUEPRINTS = (
    "upload",
    "gallery",
    "relabel",
    "login",
    "users",
    "log",
    "keys",
    "models",
    "layout",
    "jobs",
)


def posts(app: Flask) -> list[str]:
    """The paths of the pages that take a form."""
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and rule.endpoint.split(".")[0] in BLUEPRINTS
    )


def token_of(page: str) -> str:
    return re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]


def test_no_form_works_without_its_token(app: Flask, admin: FlaskClient, send: Send) -> None:
    public_id = send()
    app.config["WTF_CSRF_ENABLED"] = True
    paths = posts(app)
    assert len(paths) >= 10
    for path in paths:
        path = path.replace("<public_id>", public_id).replace("<int:key_id>", "1")
        answer = admin.post(
            path, data={"label": "haas", "ids": public_id, "name": "Eve", "theme": "dark"}
        )
        assert answer.status_code == 400 and "open too long" in answer.text, path
    with app.app_context():
        assert history.get_photo(public_id).ground_truth is None
        assert [user.name for user in users.all_users()] == ["Anna"]


def test_a_token_of_another_session_is_refused(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    token = token_of(app.test_client().get("/").text)
    client.get("/")
    assert client.post("/", data=form_of((draw(), "a.jpg"), csrf_token=token)).status_code == 400


@pytest.mark.parametrize(
    "path", ["/", "/gallery", "/login", "/account", "/admin/users", "/admin/keys", "/help", "/jobs"]
)
def test_every_form_on_a_page_has_a_token(admin: FlaskClient, send: Send, path: str) -> None:
    send()
    page = admin.get(path).text
    for form in re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL):
        assert 'name="csrf_token"' in form


def test_the_whole_loop_works_without_a_script(app: Flask) -> None:
    """Upload, see, log in, relabel, undo: with nothing but forms and links, tokens on."""
    app.config["WTF_CSRF_ENABLED"] = True
    with app.app_context():
        users.create_user("Ben", role="reviewer", password=PASSWORD)
    client = app.test_client()
    token = token_of(client.get("/").text)
    path = client.post("/", data=form_of((draw(), "monza.jpg"), csrf_token=token)).location
    client.post(
        "/login",
        data={
            "csrf_token": token_of(client.get("/login").text),
            "name": "Ben",
            "password": PASSWORD,
        },
    )
    token = token_of(client.get(path).text)
    page = client.post(
        f"{path}/label", data={"csrf_token": token, "label": "williams"}, follow_redirects=True
    ).text
    assert "it really is <b>Williams</b>" in page
    batch = re.findall(r'name="batch" value="([\w-]+)"', page)[0]
    page = client.post(
        "/labels/undo",
        data={"csrf_token": token_of(page), "batch": batch, "next": path},
        follow_redirects=True,
    ).text
    assert "Undone" in page and "It has no label now" in page
