"""What surrounds every page: theme, help, headers, no inline style or script."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.views.conftest import Send
from webapp.views.guards import safe_path

EXCHANGE = ("/export", "/import", "/admin/keeping?per_class=0")
PAGES = (
    "/",
    "/gallery",
    "/models",
    "/models/f1-teams/1",
    "/help",
    "/account",
    "/admin/log",
    "/admin/users",
    *EXCHANGE,
    "/nothing",
)


@pytest.fixture
def pages(client: FlaskClient, admin: FlaskClient, send: Send) -> list[str]:
    """Every page as the admin sees it, with a photo in the history, and the login page."""
    public_id = send(ground_truth="haas")
    paths = (*PAGES, f"/photos/{public_id}", f"/photos/{public_id}/delete")
    return [client.get("/login").text, *(admin.get(path).text for path in paths)]


def test_no_page_has_inline_style_or_script(pages: list[str]) -> None:
    for page in pages:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", page)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


def test_every_address_on_every_page_is_ours(pages: list[str]) -> None:
    for page in pages:
        for address in re.findall(r'(?:src|href|action)="([^"]*)"', page):
            assert address.startswith(("/", "#")) and not address.startswith("//"), address


def test_every_page_has_one_heading_a_language_and_a_title(pages: list[str]) -> None:
    for page in pages:
        assert page.count("<h1") == 1 and '<html lang="en"' in page and "· Marque</title>" in page


def test_every_picture_has_an_alt_text_and_a_size(pages: list[str]) -> None:
    for page in pages:
        for tag in re.findall(r"<img[^>]*>", page):
            assert " alt=" in tag and " width=" in tag and " height=" in tag


def test_no_attribute_is_the_word_none(pages: list[str]) -> None:
    for page in pages:
        assert not re.findall(r"[\w-]+=\"None\"", page)


def test_every_field_has_a_name_for_people(pages: list[str]) -> None:
    for page in pages:
        for tag in re.findall(r"<(?:input|select)[^>]*>", page):
            named = re.search(r'\sid="([\w-]+)"', tag)
            hidden = (
                'type="hidden"' in tag
                or "aria-label=" in tag
                or 'name="ids"' in tag
                or "aria-hidden" in tag
            )
            assert hidden or (named and f'<label for="{named[1]}"' in page), tag


def test_the_policy_allows_neither_inline_nor_foreign_code(client: FlaskClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "script-src 'self'" in policy and "style-src 'self'" in policy


def test_the_theme_is_remembered_without_a_script(client: FlaskClient) -> None:
    answer = client.post("/theme", data={"theme": "dark", "next": "/gallery"})
    assert answer.status_code == 303 and answer.location == "/gallery"
    assert '<html lang="en" data-theme="dark">' in client.get("/").text


def test_the_script_only_gets_the_cookie(client: FlaskClient) -> None:
    answer = client.post("/theme", data={"theme": "light"}, headers={"Accept": "application/json"})
    assert answer.status_code == 204 and "theme=light" in answer.headers["Set-Cookie"]


def test_a_strange_theme_changes_nothing(client: FlaskClient) -> None:
    client.post("/theme", data={"theme": '"><script>'})
    client.set_cookie("theme", "evil")
    assert '<html lang="en">' in client.get("/").text


def test_places_depend_on_who_one_is(
    client: FlaskClient, reviewer: FlaskClient, admin: FlaskClient
) -> None:
    def places(browser: FlaskClient) -> list[str]:
        nav = re.findall(r'<nav class="places".*?</nav>', browser.get("/help").text, re.DOTALL)[0]
        return re.findall(r">(\w+)</a>", nav)

    assert places(client) == ["Upload", "Gallery", "Stats", "Models"]
    assert places(reviewer) == ["Upload", "Gallery", "Review", "Stats", "Models", "Jobs", "Log"]
    assert places(admin) == [
        "Upload",
        "Gallery",
        "Review",
        "Stats",
        "Models",
        "Jobs",
        "Log",
        "People",
    ]


def test_the_footer_names_the_live_model(client: FlaskClient) -> None:
    assert re.search(r"Live model: <a[^>]*>f1-teams 1</a>, ten teams", client.get("/help").text)


def test_help_names_every_key(client: FlaskClient) -> None:
    page = client.get("/help").text
    assert all(f'<kbd class="key">{key}</kbd>' in page for key in ("1", "5", "n", "u", "z"))


def test_search_engines_stay_out(client: FlaskClient) -> None:
    assert "Disallow: /" in client.get("/robots.txt").text


def test_there_is_an_icon(client: FlaskClient) -> None:
    with client.get("/favicon.ico") as answer:
        assert answer.mimetype == "image/svg+xml"


def test_a_style_sheet_has_a_mark_of_its_content(client: FlaskClient) -> None:
    assert re.search(r'/static/marque\.css\?v=[0-9a-f]{10}"', client.get("/").text)


def test_everything_works_below_a_prefix(app: Flask) -> None:
    page = app.test_client().get("/gallery", environ_overrides={"SCRIPT_NAME": "/cars"}).text
    for address in re.findall(r'(?:src|href|action)="([^"]*)"', page):
        assert address.startswith(("/cars/", "#")), address
    assert 'name="next" value="/cars/gallery"' in page


@pytest.mark.parametrize(
    "target", ["/", "/gallery?decision=haas&from=30", "/photos/a-b_c", "/cars/gallery"]
)
def test_a_path_of_ours_is_safe(target: str) -> None:
    assert safe_path(target, "/home") == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "//evil",
        "http://evil",
        "/\\evil",
        "/a\nb",
        "/a b",
        "/\x7f",
        "x",
        "///evil",
        "/" + "a" * 3000,
    ],
)
def test_any_other_target_is_not(target: str | None) -> None:
    assert safe_path(target, "/home") == "/home"
