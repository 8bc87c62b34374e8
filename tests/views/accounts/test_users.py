"""The label log, and who may come in."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.views.conftest import Send, text_of
from webapp.extensions import get_files
from webapp.services.accounts import users
from webapp.services.photos import deletion as deleting
from webapp.storage.tables import now


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_an_empty_log_says_so(reviewer: FlaskClient) -> None:
    assert "Nobody has labelled a photo yet" in text_of(reviewer.get("/admin/log"))


def test_the_log_tells_who_what_and_where(reviewer: FlaskClient, send: Send) -> None:
    reviewer.post(f"/photos/{send(ground_truth='haas')}/label", data={"label": "bwt"})
    page = words(text_of(reviewer.get("/admin/log")))
    assert "Ben said BWT (was Haas)" in page and "on the photo’s page" in page
    assert "A visitor said Haas" in page and "with the upload" in page


def test_what_was_done_together_stands_together_and_is_undone_together(
    reviewer: FlaskClient, send: Send
) -> None:
    picked = [send(mark=number) for number in range(3)]
    reviewer.post("/gallery/many", data={"ids": picked, "label": "renault"}, follow_redirects=True)
    page = text_of(reviewer.get("/admin/log"))
    assert "said Renault for 3 photos" in words(page) and page.count('name="batch"') == 1
    batch = re.findall(r'name="batch" value="([\w-]+)"', page)[0]
    reviewer.post("/labels/undo", data={"batch": batch, "next": "/admin/log"})
    assert "Ben took back 3 labels" in words(text_of(reviewer.get("/admin/log")))


def test_the_log_keeps_a_line_of_a_photo_that_is_gone(
    app: Flask, admin: FlaskClient, send: Send
) -> None:
    admin.post(f"/photos/{send(ground_truth='haas')}/delete")
    with app.app_context():
        deleting.purge(files=get_files(), before=now())
    assert "Anna deleted a photo that was Haas" in words(text_of(admin.get("/admin/log")))


def test_a_long_log_has_pages(reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    for number in range(51):
        reviewer.post(f"/photos/{public_id}/label", data={"label": "bwt" if number % 2 else "haas"})
    match = re.search(r'rel="next" href="([^"]+)"', text_of(reviewer.get("/admin/log")))
    assert match is not None
    older = text_of(reviewer.get(match[1]))
    assert "Back to the newest" in older and words(older).count("Ben said") == 1


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30])
def test_a_strange_page_of_the_log_is_refused(reviewer: FlaskClient, before: str) -> None:
    assert reviewer.get(f"/admin/log?before={before}").status_code == 400


def test_an_admin_lets_somebody_in_with_a_password_shown_once(
    app: Flask, admin: FlaskClient
) -> None:
    page = text_of(
        admin.post("/admin/users", data={"name": "Dora", "role": "reviewer"}, follow_redirects=True)
    )
    match = re.search(r'class="secret">([^<]+)<', page)
    assert match is not None and 'class="secret"' not in text_of(admin.get("/admin/users"))
    assert (
        app.test_client().post("/login", data={"name": "Dora", "password": match[1]}).status_code
        == 303
    )


@pytest.mark.parametrize(
    ("name", "role"), [("Anna", "reviewer"), ("", "reviewer"), ("<b>", "admin"), ("Emil", "king")]
)
def test_a_name_or_role_that_cannot_be_taken_is_said(
    admin: FlaskClient, name: str, role: str
) -> None:
    answer = admin.post("/admin/users", data={"name": name, "role": role})
    assert (
        answer.status_code == 422
        and 'role="alert"' in text_of(answer)
        and "<b>,</b>" not in text_of(answer)
    )


def test_a_new_password_ends_the_old_one(
    app: Flask, admin: FlaskClient, reviewer: FlaskClient
) -> None:
    page = text_of(admin.post("/admin/users/reset", data={"name": "Ben"}, follow_redirects=True))
    assert 'class="secret"' in page and reviewer.get("/account").status_code == 303


def test_an_admin_does_not_reset_their_own_password_here(admin: FlaskClient) -> None:
    answer = admin.post("/admin/users/reset", data={"name": "Anna"})
    assert answer.status_code == 422 and admin.get("/account").status_code == 200


def test_the_list_names_everybody(app: Flask, admin: FlaskClient) -> None:
    with app.app_context():
        users.create_user("Zoe")
    page = words(text_of(admin.get("/admin/users")))
    assert "Anna (you)" in page and "Zoe" in page and "generated, not changed yet" in page
