"""The review by keyboard, and what is left of it in the log, the photos and the counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Watch, add_photo, serve
from tests.conftest import PASSWORD
from tests.fakes import TEAMS, FakeClassifier

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402

PHOTOS = 60
KEYS = ("Enter", "2", "Enter", "3", "n", "Enter", "u", "1", "Enter", "5")
COLORS = [color for _display, color in TEAMS.values()]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[str]:
    """A Marque of its own, in which nothing was sent yet; it answers by colour."""
    with serve(tmp_path, [FakeClassifier()]) as address:
        yield address


@pytest.fixture
def tab(browser: Any, queue: str) -> Iterator[Any]:
    """A browser in which Anna has logged in, without an error at the end.

    Its `page` may be closed and opened again.
    """
    context = browser.new_context(base_url=queue, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    page = open_tab(context, queue)
    page.goto("/login")
    page.get_by_label("User name").fill("Anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/gallery")
    yield page
    watches = context.watches
    context.close()
    assert not [error for watch in watches for error in (*watch.errors, *watch.elsewhere)]


def open_tab(context: Any, site: str) -> Any:
    page = context.new_page()
    page.watch = Watch(page, site)
    context.watches = [*getattr(context, "watches", []), page.watch]
    return page


def photo_on(page: Any) -> str:
    return str(page.locator("#decide [name=photo]").input_value())


def press(page: Any, key: str) -> None:
    """Press a key and wait for another photo."""
    before = photo_on(page)
    page.keyboard.press(key)
    page.wait_for_function(
        "before => document.querySelector('#decide [name=photo]').value !== before"
        " && !document.querySelector('[aria-busy]')",
        arg=before,
    )


def label_of(page: Any, key: str) -> str:
    """The label that a key gives the photo that is shown."""
    if key in "nu":
        return {"n": "none", "u": "unusable"}[key]
    rank = 1 if key == "Enter" else int(key)
    return str(page.locator("#decide .rank").nth(rank - 1).get_attribute("value"))


def review(page: Any, keys: list[str], given: dict[str, str]) -> None:
    for key in keys:
        given[photo_on(page)] = label_of(page, key)
        press(page, key)


def number(page: Any, name: str) -> int:
    return int(page.locator(".timing div", has_text=name).locator("dd").inner_text())


def test_sixty_photos_by_keyboard_five_taken_back_a_tab_closed_and_nothing_lost(
    tab: Any, queue: str
) -> None:
    for mark in range(PHOTOS):
        add_photo(tab, mark, color=COLORS[mark % len(COLORS)], name=f"car-{mark}.jpg")
    given: dict[str, str] = {}
    keys = [KEYS[place % len(KEYS)] for place in range(PHOTOS)]
    tab.goto("/review")
    expect(tab.get_by_role("heading", level=1)).to_have_text("60 to go")

    started = time.monotonic()
    review(tab, keys[:30], given)
    for _number in range(5):
        press(tab, "z")
        given.pop(photo_on(tab))
    assert len(given) == 25

    context = tab.context
    watches = [tab.watch]
    left_on = photo_on(tab)
    tab.close()
    page = open_tab(context, queue)
    context.watches = [*watches, page.watch]
    page.goto("/review")
    assert photo_on(page) == left_on
    expect(page.get_by_role("heading", level=1)).to_have_text("35 to go")
    review(page, keys[25:59], given)
    given[photo_on(page)] = label_of(page, keys[59])
    page.keyboard.press(keys[59])
    expect(page.get_by_role("heading", level=2)).to_have_text(
        "Nothing to review: every photo has its label"
    )
    a_minute = (PHOTOS + 5) * 60 / (time.monotonic() - started)
    assert a_minute >= 40

    # photos, sitting and log agree to the last event
    photos = page.request.get("/api/v1/photos?limit=200").json()["items"]
    assert {photo["id"]: photo["ground_truth"] for photo in photos} == given
    kept = sum(
        photo["prediction"]["ranked"][0]["label"] == photo["ground_truth"] for photo in photos
    )
    unusable = sum(photo["ground_truth"] == "unusable" for photo in photos)
    assert (number(page, "Checked"), number(page, "Kept"), number(page, "Corrected")) == (
        PHOTOS,
        kept,
        PHOTOS - kept - unusable,
    )
    assert number(page, "A minute") >= 40
    assert events_in_the_log(page) == {"said": PHOTOS + 5, "took it back": 5}


def events_in_the_log(page: Any) -> dict[str, int]:
    """How many lines of each kind all pages of the log have."""
    counts = {"said": 0, "took it back": 0}
    page.goto("/admin/log?who=Anna")
    while True:
        lines = page.locator(".batches > li p:first-child").all_inner_texts()
        for kind in counts:
            counts[kind] += sum(f"Anna {kind}" in line for line in lines)
        following = page.get_by_role("link", name="Older entries")
        if not following.count():
            return counts
        following.click()
        page.wait_for_load_state()


def test_letters_find_a_label_and_enter_takes_it(tab: Any) -> None:
    add_photo(tab, 0)
    photo = add_photo(tab, 1)
    tab.goto(f"/review?photo={photo}")
    tab.keyboard.press("/")
    expect(tab.locator(".find")).to_have_count(len(TEAMS))
    tab.keyboard.type("RENAU")
    expect(tab.locator(".find")).to_have_count(1)
    tab.keyboard.press("Enter")
    expect(tab.locator("form.note")).to_contain_text("Saved: Renault.")


def test_a_reason_goes_with_the_label(tab: Any) -> None:
    photo = add_photo(tab, 2)
    tab.goto("/review")
    tab.keyboard.press("w")
    tab.keyboard.type("only the nose is visible")
    tab.keyboard.press("Enter")
    tab.keyboard.press("n")
    expect(tab.get_by_role("heading", level=2)).to_contain_text("Nothing to review")
    tab.goto(f"/photos/{photo}")
    expect(tab.locator(".log")).to_contain_text("“only the nose is visible”")


def test_back_shows_the_photo_before_and_going_on_the_next(tab: Any) -> None:
    for mark in range(3):
        add_photo(tab, mark)
    tab.goto("/review")
    given: dict[str, str] = {}
    review(tab, ["Enter", "Enter"], given)
    first, second = given
    here = photo_on(tab)
    press(tab, "b")
    assert photo_on(tab) == second
    press(tab, "b")
    assert photo_on(tab) == first
    press(tab, "g")
    assert photo_on(tab) == here


def test_question_mark_shows_the_keys(tab: Any) -> None:
    add_photo(tab, 0)
    tab.goto("/review")
    tab.keyboard.press("?")
    expect(tab.get_by_text("the first one is right")).to_be_visible()


def test_a_lost_connection_loses_nothing_and_says_so(tab: Any) -> None:
    photo = add_photo(tab, 0)
    tab.goto("/review")
    tab.context.set_offline(True)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("alert")).to_contain_text("Nothing was saved")
    tab.watch.errors.clear()  # the browser complains about the connection too
    tab.context.set_offline(False)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=2)).to_contain_text("Nothing to review")
    assert tab.request.get(f"/api/v1/photos/{photo}").json()["ground_truth"]


def test_without_a_script_every_press_leads_to_the_next_photo(
    browser: Any, queue: str, tab: Any
) -> None:
    for mark in range(2):
        add_photo(tab, mark)
    context = browser.new_context(
        base_url=queue, java_script_enabled=False, storage_state=tab.context.storage_state()
    )
    page = context.new_page()
    page.goto("/review")
    first = photo_on(page)
    page.get_by_role("button", name="Later").click()
    second = photo_on(page)
    assert second != first
    page.get_by_label("Another team").fill("haas")
    page.get_by_role("button", name="Find").click()
    page.locator(".find").click()
    assert photo_on(page) == first
    page.get_by_role("button", name="Undo").click()
    assert photo_on(page) == second
    context.close()
