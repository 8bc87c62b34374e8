"""Coming in, going out, one's own password."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD
from tests.views.conftest import Send, text_of
from webapp.services.accounts import users

NEW = "another long password"


def enter(client: FlaskClient, password: str = PASSWORD, **fields: str) -> int:
    return client.post("/login", data={"name": "Anna", "password": password, **fields}).status_code


def test_the_right_password_lets_in(admin: FlaskClient) -> None:
    assert ">Anna</a>" in text_of(admin.get("/"))


def test_a_wrong_password_is_said_and_the_name_kept(app: Flask, admin: FlaskClient) -> None:
    answer = app.test_client().post(
        "/login", data={"name": "Anna", "password": "wrong wrong wrong"}
    )
    assert (
        answer.status_code == 401
        and "do not match" in text_of(answer)
        and 'value="Anna"' in text_of(answer)
    )
    assert "wrong wrong" not in text_of(answer)


def test_too_many_wrong_ones_are_slowed_down(app: Flask, admin: FlaskClient) -> None:
    client = app.test_client()
    assert [enter(client, "wrong wrong wrong") for _ in range(5)] == [401] * 5
    answer = client.post("/login", data={"name": "Anna", "password": PASSWORD})
    assert (
        answer.status_code == 429
        and int(answer.headers["Retry-After"]) > 0
        and "Too many wrong passwords" in text_of(answer)
    )


def test_it_leads_to_where_one_wanted_to_go(app: Flask, admin: FlaskClient) -> None:
    client = app.test_client()
    asked = client.get("/admin/log?before=9")
    assert asked.status_code == 303 and asked.location == "/login?next=/admin/log?before%3D9"
    page = text_of(client.get(asked.location))
    assert 'name="next" type="hidden" value="/admin/log?before=9"' in page
    answer = client.post(
        "/login", data={"name": "Anna", "password": PASSWORD, "next": "/admin/log?before=9"}
    )
    assert answer.status_code == 303 and answer.location == "/admin/log?before=9"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\r\n/evil",
        "",
    ],
)
def test_it_never_leads_to_another_host(app: Flask, admin: FlaskClient, target: str) -> None:
    answer = app.test_client().post(
        "/login", data={"name": "Anna", "password": PASSWORD, "next": target}
    )
    assert answer.location == "/gallery"


def test_a_person_who_has_logged_in_is_not_asked_again(admin: FlaskClient) -> None:
    assert admin.get("/login?next=//evil.example").location == "/account"


def test_login_starts_a_fresh_session_but_keeps_what_was_sent(
    app: Flask, client: FlaskClient, admin: FlaskClient, send: Send
) -> None:
    public_id = send()
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    enter(client)
    with client.session_transaction() as session:
        assert "planted" not in session
    assert "link to delete it" in text_of(client.get(f"/photos/{public_id}"))


def test_logout_ends_the_session_on_every_device(app: Flask, admin: FlaskClient) -> None:
    other = app.test_client()
    enter(other)
    assert admin.post("/logout").status_code == 303
    assert admin.get("/account").status_code == 303 and other.get("/account").status_code == 303


def test_a_copied_cookie_is_worthless_after_logout(app: Flask, admin: FlaskClient) -> None:
    copied = admin.get_cookie("marque")
    admin.post("/logout")
    thief = app.test_client()
    assert copied is not None
    thief.set_cookie("marque", copied.value)
    assert thief.get("/account").status_code == 303


def test_logout_forgets_what_this_browser_sent(client: FlaskClient, send: Send) -> None:
    public_id = send()
    client.post("/logout")
    assert "link to delete it" not in text_of(client.get(f"/photos/{public_id}"))


def test_the_password_can_be_changed(app: Flask, admin: FlaskClient) -> None:
    other = app.test_client()
    enter(other)
    answer = admin.post(
        "/account", data={"old": PASSWORD, "new": NEW, "again": NEW}, follow_redirects=True
    )
    assert (
        "Your password is changed" in text_of(answer) and other.get("/account").status_code == 303
    )
    assert enter(app.test_client(), PASSWORD) == 401 and enter(app.test_client(), NEW) == 303


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "words"),
    [
        ("wrong wrong wrong", NEW, NEW, 401, "present password"),
        (PASSWORD, "short", "short", 422, "10 to 256"),
        (PASSWORD, NEW, NEW + "x", 422, "not the same"),
    ],
)
def test_a_password_that_cannot_be_changed_says_why(
    admin: FlaskClient, old: str, new: str, again: str, status: int, words: str
) -> None:
    answer = admin.post("/account", data={"old": old, "new": new, "again": again})
    assert answer.status_code == status and words in text_of(answer)


def test_a_made_up_password_asks_to_be_changed(app: Flask) -> None:
    with app.app_context():
        password = users.create_user("Cleo")[1]
    client = app.test_client()
    answer = client.post(
        "/login", data={"name": "Cleo", "password": password}, follow_redirects=True
    )
    assert "generated for you" in text_of(answer) and re.search(
        r'<a href="/account">Choose your own</a>', text_of(answer)
    )


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(
    app: Flask, admin: FlaskClient
) -> None:
    header = (
        app.test_client()
        .post("/login", data={"name": "Anna", "password": PASSWORD})
        .headers["Set-Cookie"]
    )
    assert "HttpOnly" in header and "SameSite=Lax" in header
