"""Choosing which model answers, with and without the script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import as_file, serve
from tests.fakes import FakeClassifier, make_cars_card

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402

PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Marque with two models."""
    with serve(
        tmp_path_factory.mktemp("two-models"), [FakeClassifier(), FakeClassifier(make_cars_card())]
    ) as address:
        yield address


def test_all_answers_stand_side_by_side(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Which model answers?").select_option("all")
    page.locator("#files").set_input_files([as_file(400, color="#FF8700")])
    page.get_by_role("button", name="Get the answer").click()
    expect(page).to_have_url(re.compile(r"/models$"))
    left, right = (
        page.get_by_role("heading", name=name).bounding_box()
        for name in ("Formula One teams", "Road cars")
    )
    assert left["y"] == right["y"] and left["x"] < right["x"]


def test_only_labels_of_the_chosen_model_can_be_given(page: Any) -> None:
    page.goto("/")
    truth = page.get_by_label("Do you know the answer already?")
    truth.select_option("haas")
    page.get_by_label("Which model answers?").select_option("stanford-cars")
    expect(truth).to_have_value("")
    expect(truth.locator("option[value=haas]")).to_be_disabled()
    expect(truth.locator("option[value=lada]")).to_be_enabled()


@pytest.mark.parametrize(
    "page", [{**PHONE, "java_script_enabled": False}], indirect=True, ids=["phone without a script"]
)
def test_another_model_is_asked_without_a_script(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Which model answers?").select_option("f1-teams")
    page.locator("#files").set_input_files([as_file(401, color="#C00000")])
    page.get_by_role("button", name="Get the answer").click()
    page.get_by_role("button", name="Road cars").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ferrari 458")
    page.get_by_role("link", name="Side by side").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("two answers")


@pytest.mark.parametrize("page", [PHONE, {}], indirect=True, ids=["phone", "desktop"])
def test_no_page_of_several_models_scrolls_sideways(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Which model answers?").select_option("all")
    page.locator("#files").set_input_files([as_file(402)])
    page.get_by_role("button", name="Get the answer").click()
    expect(page).to_have_url(re.compile(r"/models"))
    for path in (page.url, page.url.split("/models")[0], "/gallery?model=stanford-cars", "/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
