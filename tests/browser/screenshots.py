"""Takes the README's pictures of a real server with cars in its history: `make screenshots`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.servers import CAR_PHOTOS, marque
from tests.browser.conftest import CHROMIUM
from tests.conftest import ROOT

PORT = 8741
PASSWORD = "benchmark-only"  # the one that benchmarks.servers starts with
SAMPLES = ROOT / "webapp" / "static" / "samples"
TRACKS = ("monza", "spa", "suzuka", "zandvoort", "interlagos", "silverstone")


def main(folder: Path) -> None:
    """Write photo.jpg, gallery.jpg, review.jpg and stats.jpg into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, marque(Path(data), PORT):
        newest = fill()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = browser.new_context(
                base_url=f"http://127.0.0.1:{PORT}", viewport={"width": 1280, "height": 860}
            )
            page = context.new_page()
            log_in(page)
            take(page, f"/photos/{newest}", folder / "photo.jpg")
            take(page, "/gallery", folder / "gallery.jpg")
            take(page, "/review", folder / "review.jpg")
            take(page, "/stats", folder / "stats.jpg")
            browser.close()


def fill() -> str:
    """Upload two cars of every team, most labelled, a boat, and two cars in one photo; returns the
    last photo's id."""
    cars = [path for own in CAR_PHOTOS for path in (own, SAMPLES / own.name)]
    for number in range(len(cars)):
        path = cars[(number * 7) % len(cars)]
        name = f"{TRACKS[number % len(TRACKS)]}-{number + 1:02}.jpg"
        send(path.read_bytes(), name, path.stem if number % 4 else "")
    send((SAMPLES / "sailing-boat.jpg").read_bytes(), "kiel-regatta.jpg", "none")
    return send(side_by_side("mclaren", "ferrari"), "monza-parabolica-04.jpg", "")


def side_by_side(*labels: str) -> bytes:
    """The pictures of these cars in one, as a JPEG."""
    pictures = [Image.open(path) for label in labels for path in CAR_PHOTOS if path.stem == label]
    width, height = pictures[0].size
    whole, file = Image.new("RGB", (width * len(pictures), height)), io.BytesIO()
    for place, picture in enumerate(pictures):
        whole.paste(picture, (place * width, 0))
    whole.save(file, "JPEG", quality=90)
    return file.getvalue()


def send(picture: bytes, name: str, truth: str) -> str:
    """Upload one picture through the JSON API; returns its id."""
    answer = requests.post(
        f"http://127.0.0.1:{PORT}/api/v1/photos",
        files={"file": (name, picture, "image/jpeg")},
        data={"ground_truth": truth} if truth else {},
        timeout=60,
    )
    return str(answer.json()["id"])


def log_in(page: Page) -> None:
    """As the admin, so that the bars are buttons."""
    page.goto("/login")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/gallery")


def take(page: Page, path: str, file: Path) -> None:
    """A picture of the first screen of a page, once everything in it is there."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file, type="jpeg", quality=90)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
