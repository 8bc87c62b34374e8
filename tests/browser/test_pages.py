"""Every page on a phone and a desktop, light and dark, fits and loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import add_photo

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402

EXCHANGE = ("/export", "/import", "/admin/keeping?per_class=0")
PAGES = (
    "/",
    "/gallery",
    "/gallery?size=small",
    "/models",
    "/help",
    "/account",
    "/admin/log",
    "/admin/users",
    "/api/v1/docs",
    *EXCHANGE,
)
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.mark.parametrize("page", [PHONE, DESKTOP], indirect=True, ids=["phone", "desktop"])
def test_no_page_scrolls_sideways(reviewer: Any) -> None:
    public_id = add_photo(reviewer, 300, name="a-very-long-name-without-any-space-" * 6 + ".jpg")
    reviewer.goto(f"/photos/{public_id}")
    model = reviewer.locator("footer a").first.get_attribute("href")
    for path in (*PAGES, f"/photos/{public_id}", f"/photos/{public_id}/delete", model):
        reviewer.goto(path)
        wide = reviewer.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"{path} is {wide[0]} wide on {wide[1]}"


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_buttons_are_large_enough_for_a_thumb(reviewer: Any) -> None:
    reviewer.goto(f"/photos/{add_photo(reviewer, 301)}")
    heights = reviewer.locator("button.rank:visible").evaluate_all(
        "buttons => buttons.map(each => each.offsetHeight)"
    )
    assert len(heights) == 5 and min(heights) >= 44


def test_the_theme_stays(page: Any) -> None:
    page.goto("/")
    page.get_by_role("button", name="Switch to dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Switch to light")).to_be_visible()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Switch to light").click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Switch to dark").click()
    page.goto("/help")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(
    "page", [{"java_script_enabled": False, "color_scheme": "dark"}], indirect=True
)
def test_the_theme_switch_knows_the_system_without_a_script(page: Any) -> None:
    page.goto("/help")
    page.get_by_role("button", name="Switch to light").click()
    expect(page).to_have_url("/help")
    expect(page.get_by_role("button", name="Switch to dark")).to_be_visible()


@pytest.mark.parametrize("page", [{"timezone_id": "Pacific/Kiritimati"}], indirect=True)
def test_times_are_in_the_readers_zone(page: Any) -> None:
    page.goto(f"/photos/{add_photo(page, 302)}")
    time = page.locator(".log time").first
    expect(time).not_to_contain_text("UTC")
    local = page.evaluate(
        "new Date(document.querySelector('.log time').dateTime).toTimeString().slice(0, 5)"
    )
    expect(time).to_contain_text(local)


def test_the_keyboard_reaches_the_page_first(page: Any) -> None:
    page.goto("/gallery")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url("/gallery#main")


def test_a_sample_is_answered(page: Any) -> None:
    page.goto("/")
    samples = page.locator("a.sample")
    if not samples.count():
        pytest.skip("no samples are shipped")
    samples.first.click()
    expect(
        page.get_by_text("Samples are not stored: nothing of it is in the gallery.")
    ).to_be_visible()
