"""Boxes of cars by pointer and keys: drawn, dragged, left, opened, called no car, taken back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import add_photo

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402

Place = tuple[float, float]  # in shares of the photo's sides
LEFT = (0.1, 0.2), (0.4, 0.8)  # two corners of a box
RIGHT = (0.9, 0.75), (0.55, 0.25)


def press_down(page: Any, start: Place, *others: Place) -> None:
    """Press the pointer on the photo and move it on."""
    picture = page.locator(".photo > .boxes").bounding_box()
    for place in (start, *others):
        x, y = (
            picture["x"] + place[0] * picture["width"],
            picture["y"] + place[1] * picture["height"],
        )
        page.mouse.move(x, y)
        if place is start:
            page.mouse.down()


def drag(page: Any, *places: Place) -> None:
    press_down(page, *places)
    page.mouse.up()


def draw_box(page: Any, corners: tuple[Place, Place]) -> None:
    page.keyboard.press("b")
    expect(page.locator(".boxes.is-drawing")).to_be_visible()
    with page.expect_navigation():  # the page of before may say that a car was drawn, too
        drag(page, *corners)
    expect(page.get_by_role("status").filter(has_text="Saved")).to_contain_text("a car was drawn")


def cars_of(page: Any, photo: str) -> list[dict[str, Any]]:
    return list(page.request.get(f"/api/v1/photos/{photo}").json()["cars"])


@pytest.fixture
def photo(reviewer: Any, request: pytest.FixtureRequest) -> str:
    """The id of a photo of its own for a test, whose page is open."""
    mark = 1000 + sum(map(ord, request.node.name))
    public_id = add_photo(reviewer, mark)
    reviewer.goto(f"/photos/{public_id}")
    return public_id


@pytest.fixture
def two(reviewer: Any, photo: str) -> str:
    """The same with two drawn cars, of which the second is open."""
    draw_box(reviewer, LEFT)
    draw_box(reviewer, RIGHT)
    return photo


def test_a_box_is_drawn_with_the_pointer(reviewer: Any, photo: str) -> None:
    draw_box(reviewer, LEFT)
    (car,) = cars_of(reviewer, photo)
    assert car["found_by"] == "person"
    assert car["box"] == pytest.approx([0.1, 0.2, 0.3, 0.6], abs=0.01)


def test_an_edge_and_a_corner_of_a_box_are_dragged(reviewer: Any, photo: str) -> None:
    draw_box(reviewer, LEFT)
    drag(reviewer, (0.4, 0.5), (0.6, 0.5))
    expect(reviewer.get_by_role("status")).to_contain_text("the box was moved")
    assert cars_of(reviewer, photo)[0]["box"] == pytest.approx([0.1, 0.2, 0.5, 0.6], abs=0.01)
    lines = reviewer.locator(".log li")
    before = lines.count()
    drag(reviewer, (0.1, 0.2), (0.2, 0.1))
    expect(lines).not_to_have_count(before)
    assert cars_of(reviewer, photo)[0]["box"] == pytest.approx([0.2, 0.1, 0.4, 0.7], abs=0.01)


def test_escape_leaves_a_drag_and_then_the_drawing(reviewer: Any, photo: str) -> None:
    before = cars_of(reviewer, photo)
    reviewer.keyboard.press("b")
    press_down(reviewer, *LEFT)
    expect(reviewer.locator(".boxes .drawn")).to_be_visible()
    reviewer.keyboard.press("Escape")
    expect(reviewer.locator(".boxes .drawn")).to_have_count(0)
    reviewer.mouse.up()
    expect(reviewer.locator("#draw")).to_have_attribute("open", "")
    reviewer.keyboard.press("Escape")
    expect(reviewer.locator(".boxes.is-drawing")).to_have_count(0)
    assert cars_of(reviewer, photo) == before


def test_escape_puts_a_dragged_edge_back(reviewer: Any, photo: str) -> None:
    draw_box(reviewer, LEFT)
    shown = reviewer.locator(".boxes a[aria-current] rect")
    width = re.compile(f"^{float(shown.get_attribute('width')):g}(\\.0)?$")
    press_down(reviewer, (0.4, 0.5), (0.7, 0.5))
    expect(shown).not_to_have_attribute("width", width)
    reviewer.keyboard.press("Escape")
    expect(shown).to_have_attribute("width", width)


def test_c_goes_from_car_to_car(reviewer: Any, two: str) -> None:
    first, second = (car["id"] for car in cars_of(reviewer, two))
    current = reviewer.locator(".switch.cars a[aria-current]")
    expect(current).to_have_attribute("data-car", second)
    for car in (first, second):
        reviewer.keyboard.press("c")
        expect(current).to_have_attribute("data-car", car)


def test_x_says_no_car_and_z_takes_it_back(reviewer: Any, two: str) -> None:
    second = cars_of(reviewer, two)[1]["id"]
    reviewer.keyboard.press("x")
    expect(reviewer.get_by_role("status").filter(has_text="Saved")).to_contain_text("no car here")
    expect(reviewer.locator(".verdict").first).to_contain_text("there is no car here")
    truths = {car["id"]: car["ground_truth"] for car in cars_of(reviewer, two)}
    assert truths[second] == "no-car"
    reviewer.keyboard.press("z")
    expect(reviewer.get_by_role("status")).to_contain_text("Undone")
    assert [car["ground_truth"] for car in cars_of(reviewer, two)] == [None, None]


def test_a_drawn_box_is_taken_back(reviewer: Any, two: str) -> None:
    reviewer.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(reviewer.get_by_role("status")).to_contain_text("the boxes are those from before")
    assert [car["ground_truth"] for car in cars_of(reviewer, two)] == [None, "no-car"]
