"""Who may do what: one table."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.views.conftest import Send

# method, path, what a visitor, a reviewer and an admin are answered
TABLE = [
    ("GET", "/", 200, 200, 200),
    ("GET", "/gallery", 200, 200, 200),
    ("GET", "/photos/{id}", 200, 200, 200),
    ("GET", "/photos/{id}/delete", 403, 403, 200),
    ("GET", "/models", 200, 200, 200),
    ("GET", "/help", 200, 200, 200),
    ("GET", "/account", 303, 200, 200),
    ("GET", "/admin/log", 303, 200, 200),
    ("GET", "/admin/users", 303, 403, 200),
    ("GET", "/admin/keys", 303, 403, 200),
    ("POST", "/admin/keys", 401, 403, 303),
    ("GET", "/admin/keys/1/revoke", 303, 403, 404),
    ("POST", "/admin/keys/1/revoke", 401, 403, 404),
    ("GET", "/export", 303, 200, 200),
    ("GET", "/import", 303, 200, 200),
    ("GET", "/admin/keeping", 303, 403, 200),
    ("POST", "/admin/keeping", 401, 403, 400),
    ("POST", "/photos/{id}/restore", 404, 404, 404),
    ("POST", "/export", 401, 400, 400),
    ("POST", "/import", 401, 422, 422),
    ("POST", "/photos/{id}/label", 401, 303, 303),
    ("POST", "/photos/{id}/delete", 403, 403, 303),
    ("POST", "/gallery/many", 401, 303, 303),
    ("POST", "/labels/undo", 401, 303, 303),
    ("POST", "/admin/users", 401, 403, 303),
    ("POST", "/admin/users/reset", 401, 403, 422),
    ("POST", "/account", 401, 401, 401),
]


@pytest.mark.parametrize(
    ("method", "path", "visitor", "reviewers", "admins"),
    TABLE,
    ids=[f"{row[0]} {row[1]}" for row in TABLE],
)
def test_who_may_do_it(
    app,
    send: Send,
    reviewer: FlaskClient,
    admin: FlaskClient,
    method: str,
    path: str,
    visitor: int,
    reviewers: int,
    admins: int,
) -> None:
    data = {"label": "haas", "role": "reviewer", "old": "wrong wrong wrong", "new": "", "again": ""}
    expected = [visitor, reviewers, admins]
    got = []
    for number, browser in enumerate((app.test_client(), reviewer, admin)):
        public_id = send(mark=number)
        form = {**data, "name": f"Person{number}", "ids": [public_id]} if method == "POST" else None
        got.append(browser.open(path.format(id=public_id), method=method, data=form).status_code)
    assert got == expected
