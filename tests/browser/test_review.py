"""Relabelling with keys and with many picks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import add_photo

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402


def test_keys_label_a_photo_and_take_it_back(reviewer: Any) -> None:
    reviewer.goto(f"/photos/{add_photo(reviewer, 200)}")
    second = reviewer.locator(".rank .rank-name").nth(1).inner_text()
    reviewer.keyboard.press("2")
    expect(reviewer.get_by_role("status")).to_contain_text(f"Saved: 1 photo is {second}")
    reviewer.keyboard.press("z")
    expect(reviewer.get_by_role("status")).to_contain_text("Undone")
    reviewer.keyboard.press("n")
    expect(reviewer.get_by_role("status")).to_contain_text("None of these")


def test_keys_do_nothing_while_somebody_types(reviewer: Any) -> None:
    reviewer.goto("/gallery")
    reviewer.get_by_label("File name has").press_sequentially("nuz1")
    expect(reviewer.get_by_label("File name has")).to_have_value("nuz1")


def test_shift_picks_a_range_and_the_bar_counts(reviewer: Any) -> None:
    for mark in range(210, 215):
        add_photo(reviewer, mark)
    reviewer.goto("/gallery")
    picks = reviewer.locator(".pick")
    picks.nth(0).click()
    picks.nth(3).click(modifiers=["Shift"])
    expect(reviewer.get_by_text("4 picked")).to_be_visible()
    reviewer.get_by_label("Really is", exact=True).last.select_option(index=1)
    reviewer.get_by_role("button", name="Save for 4").click()
    expect(reviewer.get_by_role("status")).to_contain_text("Saved: 4 photos are")
    reviewer.get_by_role("button", name="Undo").first.click()
    expect(reviewer.get_by_role("status")).to_contain_text("Undone: 4 photos")


def test_escape_picks_nothing(reviewer: Any) -> None:
    add_photo(reviewer, 220)
    reviewer.goto("/gallery")
    reviewer.locator(".pick").first.click()
    expect(reviewer.get_by_text("1 picked")).to_be_visible()
    reviewer.keyboard.press("Escape")
    expect(reviewer.get_by_role("button", name="Save", exact=True)).to_be_disabled()


def test_a_filter_leaves_a_short_address(reviewer: Any) -> None:
    add_photo(reviewer, 221, name="findme.jpg")
    reviewer.goto("/gallery")
    reviewer.get_by_label("File name has").fill("findme")
    reviewer.get_by_role("button", name="Show", exact=True).click()
    expect(reviewer.get_by_role("heading", level=1)).to_have_text("1 photo")
    assert reviewer.url.endswith("/gallery?sort=newest&filename=findme")
