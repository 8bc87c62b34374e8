"""Who may use which route: one table, tried as everybody, under each setting of what is public."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD
from tests.fakes import FakeClassifier
from tests.views.conftest import make_app, send_photo
from webapp.services.accounts import api_keys, users

__all__ = ["make_app"]
Make = Callable[..., Flask]

ALL, SEND, SEE, KEY, REVIEW, ADMIN, OWNER = "all", "send", "see", "key", "review", "admin", "owner"
"""What a route asks for: nothing; the right to send photos (`MARQUE_UPLOADS`) or to see them
(`MARQUE_GALLERY`); any key; to be a reviewer or an admin, or a key of that scope; to be an admin or
to have the token of the photo. A job or a deleted photo that does not exist is 404 for all."""

JSON = {
    ALL: (
        "DELETE /api/v1/jobs/<job_id>",
        "GET /api/v1/docs",
        "GET /api/v1/formats",
        "GET /api/v1/jobs/<job_id>",
        "GET /api/v1/openapi.json",
        "POST /api/v1/photos/<public_id>/restore",
        "GET /health/live",
        "GET /health/ready",
        "GET /healthcheck",
        "GET /ping",
    ),
    SEND: (
        "POST /api/predict",
        "POST /api/upload",
        "POST /api/v1/classify",
        "POST /api/v1/jobs",
        "POST /api/v1/photos",
        "POST /infer",
        "POST /predict",
        "POST /predict/",
    ),
    SEE: (
        "GET /api/images",
        "GET /api/images/<image_id>",
        "GET /api/images/<image_id>/view",
        "GET /api/stats/",
        "GET /api/tasks/<task_id>",
        "GET /api/v1/models",
        "GET /api/v1/models/<name>",
        "GET /api/v1/models/<name>/<int:version>",
        "GET /api/v1/models/<name>/labels",
        "GET /api/v1/photos",
        "GET /api/v1/cars/<car_id>",
        "GET /api/v1/cars/<car_id>/similar",
        "GET /api/v1/photos/<public_id>",
        "GET /api/v1/photos/<public_id>/file",
        "GET /api/v1/photos/<public_id>/heatmap",
        "GET /api/v1/photos/<public_id>/labels",
        "GET /api/v1/photos/<public_id>/thumbnail",
        "GET /api/v1/photos/<public_id>/view",
        "GET /api/v1/stats",
    ),
    KEY: ("GET /api/v1/jobs",),
    REVIEW: (
        "GET /api/v1/export",
        "GET /api/v1/exports/<export_id>",
        "GET /api/v1/jobs/<job_id>/files/<name>",
        "POST /api/v1/labels",
        "DELETE /api/v1/labels/batches/<batch>",
        "GET /api/v1/suspected",
        "GET /api/v1/models/<name>/compare",
        "DELETE /api/v1/cars/<car_id>",
        "PATCH /api/v1/cars/<car_id>",
        "PUT /api/v1/cars/<car_id>/ground-truth",
        "POST /api/v1/photos/<public_id>/cars",
        "PUT /api/v1/photos/<public_id>/ground-truth",
    ),
    ADMIN: (
        "POST /api/v1/models/<name>/promote",
        "POST /api/v1/models/<name>/rollback",
        "POST /api/v1/trainings",
    ),
    OWNER: ("DELETE /api/v1/photos/<public_id>",),
}
PAGES = {
    ALL: (
        "GET /favicon.ico",
        "GET /help",
        "GET /jobs",
        "GET /jobs/<job_id>",
        "GET /jobs/<job_id>/delete",
        "POST /jobs/<job_id>/delete",
        "GET /jobs/<job_id>/left-out.csv",
        "POST /jobs/<job_id>/restore",
        "POST /jobs/<job_id>/cancel",
        "POST /jobs/<job_id>/retry",
        "GET /login",
        "POST /login",
        "POST /logout",
        "GET /models",
        "GET /models/<name>",
        "GET /models/<name>/<int:version>",
        "GET /models/<name>/<int:version>/confusion.csv",
        "POST /photos/<public_id>/restore",
        "GET /robots.txt",
        "GET /static/<path:filename>",
        "POST /theme",
    ),
    SEND: (
        "GET /",
        "POST /",
        "GET /samples/<name>",
        "POST /jobs/upload",
        "GET /uploads/<public_id>",
    ),
    SEE: (
        "GET /gallery",
        "GET /cars/<car_id>/crop",
        "GET /cars/<car_id>/similar",
        "GET /photos/<public_id>",
        "GET /photos/<public_id>/file",
        "GET /photos/<public_id>/heat/<label>",
        "GET /photos/<public_id>/models",
        "GET /photos/<public_id>/thumbnail",
        "GET /photos/<public_id>/view",
        "GET /stats",
        "GET /stats/labels.csv",
        "GET /stats/matrix.csv",
    ),
    f"{SEND} and {SEE}": ("POST /photos/<public_id>/models",),
    REVIEW: (
        "GET /account",
        "POST /account",
        "GET /admin/log",
        "GET /export",
        "POST /export",
        "GET /export/<public_id>/manifest.json",
        "GET /jobs/<job_id>/files/<name>",
        "POST /jobs/<job_id>/files/remove",
        "GET /gallery/many",
        "POST /gallery/many",
        "GET /import",
        "POST /import",
        "GET /import/<public_id>",
        "POST /import/folder",
        "POST /import/<public_id>",
        "POST /labels/undo",
        "GET /models/<name>/compare",
        "POST /cars/<car_id>/box",
        "POST /cars/<car_id>/similar",
        "POST /photos/<public_id>/cars",
        "POST /photos/<public_id>/label",
        "GET /review",
        "POST /review",
        "POST /review/audits",
        "GET /review/labels",
        "POST /review/later",
        "GET /review/suspected",
        "POST /review/suspected",
        "POST /review/suspected/look",
        "POST /review/undo",
    ),
    ADMIN: (
        "POST /jobs/folder",
        "GET /admin/keeping",
        "POST /admin/keeping",
        "GET /admin/keys",
        "POST /admin/keys",
        "GET /admin/keys/<int:key_id>/revoke",
        "POST /admin/keys/<int:key_id>/revoke",
        "GET /admin/log/undo",
        "POST /admin/log/undo",
        "GET /admin/users",
        "POST /admin/users",
        "POST /admin/users/reset",
        "GET /admin/webhooks",
        "POST /admin/webhooks",
        "GET /admin/webhooks/<int:hook_id>",
        "POST /admin/webhooks/<int:hook_id>/again",
        "GET /admin/webhooks/<int:hook_id>/remove",
        "POST /admin/webhooks/<int:hook_id>/remove",
        "POST /admin/webhooks/<int:hook_id>/switch",
        "POST /admin/webhooks/<int:hook_id>/test",
        "GET /gallery/deleted",
        "GET /imports",
        "POST /imports",
        "GET /models/<name>/<int:version>/export",
        "POST /models/<name>/compare",
        "GET /models/<name>/labels",
        "POST /models/<name>/labels",
        "POST /models/<name>/labels/add",
        "POST /models/<name>/labels/file",
        "GET /models/<name>/labels.csv",
        "GET /models/<name>/labels.json",
        "GET /models/<name>/labels/merge",
        "POST /models/<name>/labels/merge",
        "POST /models/<name>/labels/photo",
        "POST /models/<name>/labels/reread",
        "GET /models/<name>/labels/split",
        "POST /models/<name>/labels/split",
        "POST /models/<name>/labels/undo",
        "POST /models/<name>/promote",
        "POST /models/<name>/rollback",
        "GET /models/<name>/train",
        "POST /models/<name>/train",
    ),
    OWNER: (
        "GET /photos/<public_id>/delete",
        "POST /photos/<public_id>/delete",
    ),
}
NOT_PRESSED = ("POST /login", "POST /logout")
"""Open to all, and about coming in itself: tests/views/accounts/test_login.py presses them."""

FORMS = {"POST /account": {"new": "a", "again": "b"}, "POST /api/v1/jobs": {"kind": "upload"}}
"""Without these fields the answer would be about the fields, not about who asks."""

SETTINGS = [
    (uploads, gallery) for uploads in ("public", "login") for gallery in ("public", "login")
]


def lines(table: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str, str]]:
    """(need, method, rule) of each route."""
    for need, routes in table.items():
        for route in routes:
            yield need, *route.split(" ")  # type: ignore[misc]


def test_every_route_stands_in_the_table_once(app: Flask) -> None:
    real = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = [(method, rule) for table in (JSON, PAGES) for _need, method, rule in lines(table)]
    assert set(told) == real
    assert len(told) == len(real)


def address(rule: str, public_id: str) -> str:
    """A path of the rule. Only an owner's routes get a real photo, so that nothing else changes."""
    filled = {
        "<public_id>": public_id,
        "<name>": "none",
        "<int:version>": "1",
        "<int:key_id>": "999",
        "<int:hook_id>": "999",
        "<path:filename>": "marque.css",
    }
    for name, value in filled.items():
        rule = rule.replace(name, value)
    return rule.replace("<label>", "haas").replace("<", "").replace(">", "")


def open_to(need: str, rank: str, uploads: str, gallery: str) -> bool:
    """True when somebody of this rank ("" for nobody, else a scope) is let in."""
    ranks = ("", "predict", "review", "admin")
    asked = {
        ALL: "",
        SEND: "" if uploads == "public" else "predict",
        SEE: "" if gallery == "public" else "predict",
        KEY: "predict",
        REVIEW: "review",
        ADMIN: "admin",
        OWNER: "admin",
    }
    return all(ranks.index(rank) >= ranks.index(asked[part]) for part in need.split(" and "))


@pytest.mark.parametrize(("uploads", "gallery"), SETTINGS)
def test_keys_open_what_they_should_in_the_json_api(
    make_app: Make, classifier: FakeClassifier, uploads: str, gallery: str
) -> None:
    app = make_app(classifier, uploads=uploads, gallery=gallery)
    browser = logged_in(app, "admin")  # a session opens nothing here
    for rank in ("", "predict", "review", "admin"):
        headers = key_of(app, rank) if rank else {}
        for need, method, rule in lines(JSON):
            path = address(rule, fresh_photo(browser) if need == OWNER else "none")
            form = FORMS.get(f"{method} {rule}")
            with browser.open(
                path,
                method=method,
                headers=headers,
                data=form,
                content_type=form and "multipart/form-data",
            ) as answer:
                refused = answer.status_code in (401, 403)
                assert refused is not open_to(need, rank, uploads, gallery), (
                    rank,
                    method,
                    rule,
                    answer.status_code,
                )
                if refused:
                    assert answer.status_code == (403 if rank or need == OWNER else 401), (
                        rank,
                        method,
                        rule,
                    )
                    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(("uploads", "gallery"), SETTINGS)
def test_people_get_where_they_should(
    make_app: Make, classifier: FakeClassifier, uploads: str, gallery: str
) -> None:
    app = make_app(classifier, uploads=uploads, gallery=gallery)
    admin = logged_in(app, "admin")
    visitor, key = app.test_client(), key_of(app, "admin")  # a key opens nothing here
    for rank, browser in (("", visitor), ("review", logged_in(app, "reviewer")), ("admin", admin)):
        for need, method, rule in lines(PAGES):
            if f"{method} {rule}" in NOT_PRESSED:
                continue
            path = address(rule, fresh_photo(admin) if need == OWNER else "none")
            form = FORMS.get(f"{method} {rule}")
            with browser.open(
                path, method=method, data=form, headers=key if not rank else {}
            ) as answer:
                expected = open_to(need, rank, uploads, gallery)
                asked_in = answer.status_code == 303 and answer.location.startswith("/login")
                refused = answer.status_code in (401, 403)
                assert (not asked_in and not refused) is expected, (
                    rank,
                    method,
                    rule,
                    answer.status_code,
                )
                if not expected and not rank and need != OWNER:
                    assert asked_in if method == "GET" else answer.status_code == 401, (
                        method,
                        rule,
                    )


def logged_in(app: Flask, role: str) -> FlaskClient:
    """A browser in which somebody of this role has logged in."""
    with app.app_context():
        users.create_user(role.capitalize(), role=role, password=PASSWORD)
    browser = app.test_client()
    browser.post("/login", data={"name": role.capitalize(), "password": PASSWORD})
    return browser


def key_of(app: Flask, scope: str) -> dict[str, str]:
    """The header of a new key."""
    with app.app_context():
        return {"Authorization": f"Bearer {api_keys.create_key(scope, scope)[1]}"}


def fresh_photo(browser: FlaskClient) -> str:
    """A photo of its own for what would delete it."""
    browser.application.config["photos_sent"] = number = (
        browser.application.config.get("photos_sent", 0) + 1
    )
    return send_photo(browser, mark=number)
