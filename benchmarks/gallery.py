"""The gallery, stats and review of a very large history; uploads into a full and an empty one.

Run `python -m benchmarks.gallery`, or with `--photos 50000` for a first look. It fills a database
with synthetic rows in a folder of its own and removes it at the end; `--keep FOLDER` keeps it, and
uses it again.
"""

import argparse
import io
import os
import random
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import urllib3
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.large_history import MODEL, NAMES, PASSWORD, VERSIONS, fill, make_app, make_card
from benchmarks.servers import CAR_PHOTOS
from webapp.domain import UNCLASSIFIED, Who
from webapp.gallery_filter import parse_filter
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos import gallery
from webapp.services.stats import counters
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.query_filters import MeantAnswer, matching

# MONTH, MONTH+30 and BATCH are replaced by a month and an upload of the history
_COMBINATIONS = {
    "everything": "",
    "oldest": "sort=oldest",
    "least sure": "sort=least-sure",
    "smallest margin": "sort=smallest-margin",
    "most confidently wrong": "sort=most-wrong",
    "wrong": "outcome=wrong",
    "unusable": "outcome=unusable",
    "not checked, least sure": "outcome=unlabelled sort=least-sure",
    "one answer": f"decision={NAMES[5]}",
    "one answer, smallest margin": f"decision={NAMES[5]} sort=smallest-margin",
    "not sure": f"decision={UNCLASSIFIED}",
    "one first guess, one truth": f"predicted={NAMES[5]} ground_truth={NAMES[6]}",
    "one truth, least sure": f"ground_truth={NAMES[7]} sort=least-sure",
    "90 % and more": "from=90",
    "30 to 40 %, wrong": "from=30 to=40 outcome=wrong",
    "margin under 5 %": "margin_to=5",
    "a month a year ago": "since=MONTH until=MONTH+30",
    "a month, wrong": "since=MONTH until=MONTH+30 outcome=wrong",
    "a month, least sure": "since=MONTH until=MONTH+30 sort=least-sure",
    "a name that few have": "filename=monza",
    "a name that most have": "filename=img_",
    "a name, least sure": "filename=monza sort=least-sure",
    "one person": "uploader=Person_3",
    "from the terminal, wrong": "source=cli outcome=wrong",
    "one batch": "batch=BATCH",
    "look-alikes": "duplicates=yes",
    "starred": "starred=yes",
    "version 2": f"model={MODEL}@2",
    "version 2, wrong, surest first": f"model={MODEL}@2 sort=most-wrong",
    "version 1, one first guess": f"model={MODEL}@1 predicted={NAMES[5]}",
}
_STATS = {
    "stats": "/stats",
    "stats, again": "/stats",
    "stats in JSON": "/api/v1/stats",
    "stats in JSON, again": "/api/v1/stats",
    "stats of one truth": f"/stats?ground_truth={NAMES[5]}",
    "stats of a month": "/stats?since=2026-09-01&until=2026-09-30",
    "stats of wrong answers": "/stats?outcome=wrong",
    "stats of the terminal's photos": "/stats?source=cli",
}
_TOO_MANY = 422  # the status of stats of a filter that cannot be counted in time


@dataclass(frozen=True)
class _Timing:
    """Milliseconds of several runs: by the clock, and of this process's processor time.

    Other work on the machine hardly changes the latter. Client and server are one process here.
    """

    median: float
    p99: float
    work: float

    def __str__(self) -> str:
        return f"{self.median:>11.1f}{self.p99:>9.1f}{self.work:>9.1f}"


def _timed(
    action: Callable[[], object], times: int, *, before: Callable[[], object] | None = None
) -> _Timing:
    """The times of an action, after one that does not count; `before` each is not timed."""
    action()
    clock, work = [], []
    for _ in range(times):
        if before is not None:
            before()
        started, worked = time.perf_counter(), time.process_time()
        action()
        clock.append((time.perf_counter() - started) * 1000)
        work.append((time.process_time() - worked) * 1000)
    p99 = sorted(clock)[int(len(clock) * 0.99)]
    return _Timing(statistics.median(clock), p99, statistics.median(work))


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        pass


class _Reviewer:
    """A logged-in browser: their pages have more in them than a visitor's."""

    def __init__(self, port: int) -> None:
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", port, retries=False)
        login = self.post("/login", {"name": "Person 1", "password": PASSWORD})
        self._pool.headers = {"Cookie": login.headers["Set-Cookie"].split(";")[0]}

    def get(self, path: str, *, also: int = 200) -> bytes:
        """A page, read to its end; an answer with the status `also` is one too."""
        answer = self._pool.request("GET", path)
        if answer.status not in (200, also):
            raise RuntimeError(f"{path}: {answer.status}")
        return answer.data

    def post(self, path: str, fields: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Send a form."""
        return self._pool.request("POST", path, fields=fields, encode_multipart=False)


@contextmanager
def _reviewing(app: Flask) -> Iterator[_Reviewer]:
    """The app behind a real socket, and a reviewer with a connection to it that stays open."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield _Reviewer(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _cursors_of(parameters: dict[str, str]) -> dict[str, str]:
    """The cursors of the first, the middle and the last page."""
    wanted = parse_filter(parameters)
    meant = MeantAnswer(wanted)
    key, number = meant.sort_key, meant.number
    statement = matching(*([] if key is None else [key]), number, wanted=wanted)
    if key is not None:
        statement = statement.where(key.is_not(None))
    rows = db.session.execute(select(statement.subquery())).all()
    if len(rows) <= gallery.PAGE:
        return {"first": ""}
    middle = sorted(rows)[len(rows) // 2]
    value = middle[0] if key is not None else None
    cursor = gallery.make_cursor(wanted.sort, value, middle[-1], gallery.AFTER)
    return {"first": "", "middle": cursor, "last": gallery.LAST}


def _measure_pages(app: Flask, photos: int, times: int) -> None:
    """Print a line for each combination and depth, the slowest, and how many are over 60 ms."""
    month = datetime(2025, 11, 1, tzinfo=UTC)
    values = {"MONTH": f"{month:%Y-%m-%d}", "BATCH": f"u{photos // 40}", "Person_3": "Person 3"}
    values["MONTH+30"] = f"{month + timedelta(days=29):%Y-%m-%d}"
    medians = []
    print(f"{'':>34}{'depth':>8}{'photos':>8}{'median ms':>11}{'p99 ms':>9}{'work ms':>9}")
    with _reviewing(app) as reviewer:
        for title, text in _COMBINATIONS.items():
            pairs = (setting.split("=") for setting in text.split())
            parameters = {name: values.get(value, value) for name, value in pairs}
            with app.app_context():
                cursors = _cursors_of(parameters)
            for depth, cursor in cursors.items():
                query = parameters | ({"cursor": cursor} if cursor else {})
                path = f"/gallery?{urlencode(query)}"
                tiles = len(set(re.findall(rb'href="/photos/([\w-]+)', reviewer.get(path))))
                timing = _timed(lambda path=path: reviewer.get(path), times)
                medians.append((timing.median, f"{title}, {depth}"))
                print(f"{title:>34}{depth:>8}{tiles:>8}{timing}", flush=True)
    slowest, page = max(medians)
    over = sum(median > 60 for median, _ in medians)
    print(f"\n{len(medians)} pages, {over} over 60 ms; the slowest: {page}, {slowest:.1f} ms")


def _measure_stats(app: Flask, relabel: Callable[[], None], times: int = 15) -> None:
    """Print the times of the stats, after a label was given and again, and of the review."""

    def in_context() -> None:
        with app.app_context():
            relabel()

    print(f"{'':>34}{'median ms':>11}{'p99 ms':>9}{'work ms':>9}")
    with _reviewing(app) as reviewer:
        for title, path in _STATS.items():
            before = in_context if title in ("stats", "stats in JSON") else None
            get = lambda path=path: reviewer.get(path, also=_TOO_MANY)  # noqa: E731
            print(f"{title:>34}{_timed(get, times, before=before)}", flush=True)
        # pages of the review, and a label given there with the next page
        for order in ("least-sure", "margin", "surprising"):
            path = f"/review?order={order}"

            def label_next(path: str = path) -> None:
                match = re.search(rb'name="photo" value="([^"]+)"', reviewer.get(path))
                if match is None:
                    raise RuntimeError("the review shows no photo")
                fields = {"photo": match[1].decode(), "label": NAMES[5], "model": MODEL}
                reviewer.post(path, fields)

            label_next()
            page = _timed(lambda path=path: reviewer.get(path), times)
            print(f"{f'review, {order}':>34}{page}", flush=True)
            print(f"{'label, next photo':>34}{_timed(label_next, times)}", flush=True)


def _compare_uploads(full: Flask, empty: Flask, rounds: int = 6, each: int = 40) -> None:
    """Print the times of uploads into both, in turns, so that other work falls on both."""
    times: dict[str, list[float]] = {"full": [], "empty": []}
    for _ in range(rounds):
        for name, app in (("full", full), ("empty", empty)):
            times[name] += _upload(app, each)
    full_ms, empty_ms = (statistics.median(times[name]) for name in ("full", "empty"))
    print(f"an upload: median {full_ms:.2f} ms into the full database, ", end="")
    print(f"{empty_ms:.2f} ms into an empty one, {(full_ms / empty_ms - 1) * 100:+.1f} %")


def _upload(app: Flask, count: int) -> list[float]:
    """Milliseconds of each upload through the JSON API, after one that does not count."""
    client, times = app.test_client(), []
    for number in range(count + 1):
        photo = CAR_PHOTOS[number % len(CAR_PHOTOS)].read_bytes()
        # what is behind a picture's end makes it one that nobody has sent yet
        form = {"file": (io.BytesIO(photo + os.urandom(8)), "car.jpg")}
        started = time.perf_counter()
        answer = client.post("/api/v1/photos", data=form)
        times.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 201:
            raise RuntimeError(answer.text)
    return times[1:]


def main() -> None:
    """Fill, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=30, help="runs of each page")
    parser.add_argument("--keep", type=Path, help="a folder for the database, which stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marque-gallery-") as scratch:
        data = options.keep or Path(scratch) / "full"
        path = data / "marque.sqlite"
        is_there = path.exists()
        app = make_app(data)
        if not is_there:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()
            started = time.perf_counter()
            fill(path, options.photos)
            seconds, size = time.perf_counter() - started, path.stat().st_size / 2**30
            print(f"{options.photos:,} photos in {seconds:.0f} s, {size:.2f} GiB\n")
            app, started = make_app(data), time.perf_counter()
            with app.app_context():
                list(counters.recount())
            print(f"counted from scratch in {time.perf_counter() - started:.0f} s")
        rng, card = random.Random(1), make_card(VERSIONS)
        stamp = Stamp(Who("benchmark"), "benchmark")

        def relabel() -> None:
            photo = f"p{rng.randrange(1, options.photos + 1):011}"
            relabel_photo(photo, rng.choice(NAMES), [card], stamp)

        _measure_stats(app, relabel)
        _measure_pages(app, options.photos, options.times)
        with app.app_context():
            timing = _timed(relabel, 200)
        print(f"a relabel: median {timing.median:.1f} ms, p99 {timing.p99:.1f} ms, ", end="")
        print(f"work {timing.work:.1f} ms")
        _compare_uploads(app, make_app(Path(scratch) / "empty"))


if __name__ == "__main__":
    main()
