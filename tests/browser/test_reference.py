"""The page about the API: everything from this machine, and calls that can be tried out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import add_photo, as_file

pytestmark = pytest.mark.browser
PAGE = "/api/v1/docs"


@pytest.fixture
def cut_off(page: Any, site: str) -> Any:
    """A browser whose requests to other machines fail; `page` asserts that there are none."""
    page.route(
        "**/*",
        lambda route: (
            route.continue_() if route.request.url.startswith((site, "blob:")) else route.abort()
        ),
    )
    return page


def test_a_call_is_tried_out_with_the_network_cut(cut_off: Any) -> None:
    cut_off.goto(PAGE)
    call = cut_off.locator("#models_index")
    call.locator("summary").first.click()
    call.get_by_role("button", name="Send").click()
    call.locator(".answer-status").get_by_text("200 OK").wait_for()
    assert '"items"' in call.locator(".answer-body pre").inner_text()


def test_a_link_to_a_call_opens_it(page: Any) -> None:
    page.goto(f"{PAGE}#photos_index")
    assert page.locator("#photos_index").get_by_role("button", name="Send").is_visible()


def test_a_photo_is_sent_and_its_thumbnail_shown(page: Any) -> None:
    page.goto(f"{PAGE}#photos_add")
    call = page.locator("#photos_add")
    call.locator("input[type=file]").set_input_files([as_file(7101)])
    call.get_by_role("button", name="Send").click()
    call.locator(".answer-status").get_by_text("201 Created").wait_for()
    photo = page.request.get("/api/v1/photos?limit=1").json()["items"][0]["id"]
    page.goto(f"{PAGE}#photos_thumbnail")
    page.locator("#photos_thumbnail-path-id").fill(photo)
    page.locator("#photos_thumbnail").get_by_role("button", name="Send").click()
    page.locator("#photos_thumbnail .answer-body img").wait_for()


def test_the_fields_of_a_form_become_address_and_query(page: Any) -> None:
    photo = add_photo(page, 7102)
    page.goto(f"{PAGE}#photos_read")
    page.locator("#photos_read-path-id").fill(photo)
    page.locator("#photos_read-query-model").fill("f1-teams")
    page.locator("#photos_read").get_by_role("button", name="Send").click()
    page.locator("#photos_read .answer-body pre").wait_for()
    assert photo in page.locator("#photos_read .answer-body pre").inner_text()


def test_an_admin_is_led_to_the_keys(reviewer: Any) -> None:
    reviewer.goto(PAGE)
    reviewer.get_by_role("link", name="Make one").click()
    reviewer.wait_for_url("**/admin/keys")


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_a_form_requests_a_list(page: Any) -> None:
    page.goto(PAGE)
    page.locator("#models_index summary").first.click()
    page.locator("#models_index").get_by_role("button", name="Send").click()
    page.wait_for_url("**/api/v1/models?")
    assert '"items"' in page.content()


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 800}}], indirect=True)
def test_nothing_is_wider_than_a_phone(page: Any) -> None:
    page.goto(PAGE)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
