"""A folder of labelled photos, chosen in a browser: the script sends checksums, a form photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import add_photo
from tests.conftest import draw

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402


@pytest.mark.parametrize(
    "page", [{}, {"java_script_enabled": False}], ids=["script", "no script"], indirect=True
)
def test_a_folder_says_what_it_would_change(reviewer: Any, tmp_path: Path) -> None:
    add_photo(reviewer, 700)
    (tmp_path / "cars" / "haas").mkdir(parents=True)
    (tmp_path / "cars" / "haas" / "kept.jpg").write_bytes(draw("#C00000", mark=700))
    reviewer.goto("/import")
    reviewer.locator("#folder").set_input_files(tmp_path / "cars")
    reviewer.locator("form[data-folder] button").click()
    expect(reviewer.get_by_text("1 car would get a label")).to_be_visible()
    expect(reviewer.get_by_text("cars.csv").first).to_be_visible()


def test_a_folder_without_folders_is_said_beside_the_button(reviewer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    reviewer.goto("/import")
    reviewer.locator("#folder").set_input_files(tmp_path)
    reviewer.locator("form[data-folder] button").click()
    expect(reviewer.locator("form[data-folder] [data-said]")).to_contain_text(
        "Choose the one that has a folder for each class"
    )
    reviewer.watch.errors.clear()  # the console names the answer 422
