"""Sending photos with the script: choose, drop, paste, progress, again."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.browser.conftest import as_file
from tests.conftest import draw

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402

PHOTO = re.compile(r"/photos/[\w-]+$")
MAKE_FILE = """(text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "carried.jpg", { type: "image/jpeg" }));
  return data;
}"""

LARGE_FILE = """(input) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(21 * 1024 * 1024)], "large.jpg", { type: "image/jpeg" }));
  input.files = data.files;
}"""


def carried(page: Any, mark: int) -> Any:
    """A photo as the browser carries it while it is dragged or pasted."""
    return page.evaluate_handle(MAKE_FILE, base64.b64encode(draw(mark=mark)).decode())


def test_one_photo_leads_to_its_page(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files([as_file(100, "monza.jpg")])
    page.get_by_role("button", name="Get the answer").click()
    expect(page).to_have_url(PHOTO)
    expect(page.get_by_text("monza.jpg").first).to_be_visible()


def test_several_photos_have_a_line_each(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files([as_file(101, "a.jpg"), as_file(102, "b.jpg")])
    page.get_by_role("button", name="Get the answer").click()
    lines = page.locator("[data-queue] > li")
    expect(lines).to_have_count(2)
    expect(lines.nth(1).get_by_role("link", name="b.jpg")).to_be_visible()
    expect(lines.nth(0).locator("img")).to_have_js_property("complete", True)


def test_a_bad_file_says_why_and_the_others_are_kept(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files(
        [
            {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"plain words"},
            as_file(103, "good.jpg"),
        ]
    )
    page.get_by_role("button", name="Get the answer").click()
    lines = page.locator("[data-queue] > li")
    expect(lines.nth(1).get_by_role("link", name="good.jpg")).to_be_visible()
    expect(lines.nth(0).locator(".error")).to_contain_text("not a photo")
    expect(lines.nth(0).get_by_role("button")).to_be_hidden()
    assert page.watch.errors and all("415" in each for each in page.watch.errors)
    page.watch.errors.clear()  # the browser notes every 4xx answer


def test_a_lost_connection_can_be_tried_again(page: Any) -> None:
    page.goto("/")
    page.route(
        "**/",
        lambda route: route.abort() if route.request.method == "POST" else route.continue_(),
        times=1,
    )
    page.locator("#files").set_input_files([as_file(104)])
    page.get_by_role("button", name="Get the answer").click()
    expect(page.locator("[data-queue] .error")).to_contain_text("The connection was lost")
    page.watch.errors.clear()
    page.get_by_role("button", name="Send again").click()
    expect(page).to_have_url(PHOTO)


def test_a_file_that_is_too_large_is_not_sent(page: Any) -> None:
    page.goto("/")
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )
    page.locator("#files").evaluate(LARGE_FILE)
    page.get_by_role("button", name="Get the answer").click()
    expect(page.locator("[data-queue] .error")).to_contain_text("larger than 20 MB")
    assert not sent


def test_a_photo_can_be_dropped_anywhere(page: Any) -> None:
    page.goto("/")
    data = carried(page, 105)
    page.dispatch_event("h1", "dragenter", {"dataTransfer": data})
    expect(page.locator(".drop")).to_have_class(re.compile("is-over"))
    page.dispatch_event("h1", "drop", {"dataTransfer": data})
    expect(page.locator(".drop")).not_to_have_class(re.compile("is-over"))
    page.get_by_role("button", name="Get the answer").click()
    expect(page).to_have_url(PHOTO)


def test_a_photo_can_be_pasted(page: Any) -> None:
    page.goto("/")
    page.evaluate(
        "data => dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        carried(page, 106),
    )
    expect(page.get_by_role("button", name="Get the answer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(PHOTO)


def test_the_same_photo_again_says_so(page: Any) -> None:
    for _ in range(2):
        page.goto("/")
        page.locator("#files").set_input_files([as_file(107)])
        page.get_by_role("button", name="Get the answer").click()
        page.wait_for_url("**/photos/*")
    expect(page.get_by_text("You sent this photo on")).to_be_visible()


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_a_script(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files([as_file(108, "a.jpg"), as_file(109, "b.jpg")])
    page.get_by_role("button", name="Get the answer").click()
    expect(page).to_have_url(re.compile(r"/uploads/"))
    page.get_by_role("link", name="a.jpg").click()
    expect(page).to_have_url(PHOTO)
