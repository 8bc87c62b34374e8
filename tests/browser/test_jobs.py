"""A zip, many photos and folders are sent, and their job is watched while a real worker runs it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import as_file, serve
from tests.conftest import ROOT, draw, settings_of
from webapp.config import Config
from webapp.inference.models.registry import Registry

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect  # noqa: E402

JOB = re.compile(r"/jobs/[\w-]{16}$")
SOON = 60_000
"""Milliseconds in which a worker that shares the machine has done some photos."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Marque of our own with the shipped models, and a worker beside it."""
    if not Registry(ROOT / "models").live_version("f1-teams"):
        pytest.skip("the shipped model f1-teams is not there")
    folder = tmp_path_factory.mktemp("jobs")
    env = {
        "PATH": os.environ["PATH"],
        **settings_of(Config(data=folder, models=ROOT / "models", secret_key="k" * 32)),
    }
    with serve(folder, []) as address:
        command = [sys.executable, "-W", "ignore", "-m", "webapp.worker", "--threads", "1"]
        with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL) as worker:
            yield address
            worker.terminate()


def a_zip(first: int, photos: int, name: str = "photos.zip", folder: str = "") -> dict[str, Any]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for mark in range(first, first + photos):
            archive.writestr(f"{folder}{mark}.jpg", draw(mark=mark))
    return {"name": name, "mimeType": "application/zip", "buffer": content.getvalue()}


def a_folder(place: Path, first: int) -> Path:
    for mark, name in enumerate(
        ("haas/a.jpg", "haas/.hidden.jpg", "ferrari/b.jpg", "notes.txt"), first
    ):
        (place / "cars" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "cars" / name).write_bytes(draw(mark=mark) if name.endswith("jpg") else b"hello")
    return place / "cars"


def send(page: Any) -> None:
    page.get_by_role("button", name="Get the answer").click()


def labelled(page: Any, label: str) -> list[str]:
    items = page.request.get(f"/api/v1/photos?ground_truth={label}").json()["items"]
    return sorted(item["filename"] for item in items)


def test_a_zip_is_watched_until_it_is_done(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files([a_zip(0, 30)])
    send(page)
    page.wait_for_url(JOB)
    page.evaluate("document.body.dataset.same = 'yes'")
    expect(page.get_by_role("status").get_by_text("30 photos are new.")).to_be_visible(timeout=SOON)
    assert page.evaluate("document.body.dataset.same") == "yes"  # the page was not loaded again
    assert page.locator("progress").count() == 0


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_it_is_watched_without_a_script(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files([a_zip(100, 3)])
    send(page)
    page.wait_for_url(JOB)
    expect(page.get_by_role("status").get_by_text("3 photos are new.")).to_be_visible(timeout=SOON)


def test_many_photos_are_sent_in_groups_and_are_one_job(page: Any) -> None:
    groups: list[str] = []
    page.on(
        "request",
        lambda request: (
            groups.append(request.url) if request.url.endswith("/jobs/upload") else None
        ),
    )
    page.goto("/")
    page.locator("#files").set_input_files(
        [as_file(mark, f"{mark}.jpg") for mark in range(200, 255)]
    )
    send(page)
    page.wait_for_url(JOB)
    expect(page.get_by_role("status").get_by_text("55 photos are new.")).to_be_visible(timeout=SOON)
    assert len(groups) == 2


def test_a_group_that_was_lost_is_sent_again(page: Any) -> None:
    page.goto("/")
    page.route("**/jobs/upload", lambda route: route.abort(), times=1)
    page.locator("#files").set_input_files([a_zip(300, 2, "lost.zip")])
    send(page)
    expect(page.locator("[data-queue] .error")).to_contain_text("The connection was lost")
    page.watch.errors.clear()
    page.get_by_role("button", name="Send again").click()
    page.wait_for_url(JOB)


def test_what_is_too_much_is_not_sent(page: Any) -> None:
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )
    page.goto("/")
    page.locator("form[data-upload]").evaluate("(form) => { form.dataset.mostBytes = 100; }")
    page.locator("#files").set_input_files([a_zip(320, 1)])
    send(page)
    expect(page.locator("[data-queue] .error")).to_contain_text(
        "Without a login an upload may have 500 MB and 5,000 files"
    )
    assert not sent


def test_a_chosen_folder_is_read_and_its_folders_are_labels(page: Any, tmp_path: Path) -> None:
    page.goto("/")
    page.locator("#folder").set_input_files(a_folder(tmp_path, 400))
    expect(page.locator("[data-queue]")).to_contain_text("2 photos, 2 other files not sent")
    page.get_by_label("The folders of many photos").check()
    send(page)
    page.wait_for_url(JOB)
    expect(page.get_by_role("status").get_by_text("2 photos are new.")).to_be_visible(timeout=SOON)
    assert (labelled(page, "haas"), labelled(page, "ferrari")) == (["a.jpg"], ["b.jpg"])


def test_a_dropped_folder_is_read(page: Any, tmp_path: Path) -> None:
    page.goto("/")
    folder = a_folder(tmp_path, 420)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    client = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        client.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(page.locator("[data-queue]")).to_contain_text("2 photos, 2 other files not sent")
    send(page)
    page.wait_for_url(JOB)
    expect(page.get_by_role("status").get_by_text("2 photos are new.")).to_be_visible(timeout=SOON)
    assert page.title().startswith("Upload: cars")


def test_its_photos_are_deleted_and_brought_back(page: Any) -> None:
    page.goto("/")
    page.locator("#files").set_input_files([a_zip(500, 2, "away.zip")])
    send(page)
    page.wait_for_url(JOB)
    page.get_by_role("link", name="Delete its photos").click(timeout=SOON)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Bring 2 photos back").click()
    expect(page.get_by_role("link", name="Delete its photos")).to_be_visible()
