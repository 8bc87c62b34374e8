"""The gallery of a very large history: pages by filter, order and depth, a relabel, uploads into a full database and an empty one.

Run `python -m benchmarks.gallery`, or with `--photos 50000` for a first look. It fills a database with synthetic rows (196 labels, three
versions, small drawn thumbnails) in a folder of its own and removes it at the end; `--keep FOLDER` keeps it, and takes it up again.
"""

import argparse
import hashlib
import http.client
import io
import os
import random
import re
import sqlite3
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

import numpy as np
from flask import Flask
from flask_migrate import upgrade
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.servers import CAR_PHOTOS
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import UNCLASSIFIED, NetworkOutput, Who
from webapp.gallery_filter import parse_filter
from webapp.inference.models.card import InputSpec, Label, ModelCard
from webapp.services.accounts import users
from webapp.services.labels import relabel
from webapp.services.operations import health
from webapp.services.photos import gallery as history
from webapp.services.stats import counters as recount
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import lookalikes as near
from webapp.storage.photos.pages import DOWNWARDS
from webapp.storage.photos.query_filters import matching, number_column, sort_key

MODEL = "stanford-cars"
VERSIONS = 3
NAMES = tuple(f"make{number % 49:02}-model{number:03}" for number in range(196))
THRESHOLD = 0.4
DAYS = 730
CHUNK = 20_000
PASSWORD = "benchmark-only"
TOO_MANY = 422
"""Stats of a filter that cannot be counted in time say so with this status."""
FAST = (
    "synchronous = OFF",
    "journal_mode = MEMORY",
    "foreign_keys = OFF",
    "cache_size = -200000",
    "temp_store = MEMORY",
)

COMBINATIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("everything", {}),
    ("oldest", {"sort": "oldest"}),
    ("least sure", {"sort": "least-sure"}),
    ("smallest margin", {"sort": "smallest-margin"}),
    ("most confidently wrong", {"sort": "most-wrong"}),
    ("wrong", {"outcome": "wrong"}),
    ("unusable", {"outcome": "unusable"}),
    ("not checked, least sure", {"outcome": "unlabelled", "sort": "least-sure"}),
    ("one answer", {"decision": NAMES[5]}),
    ("one answer, smallest margin", {"decision": NAMES[5], "sort": "smallest-margin"}),
    ("not sure", {"decision": UNCLASSIFIED}),
    ("one first guess, one truth", {"predicted": NAMES[5], "ground_truth": NAMES[6]}),
    ("one truth, least sure", {"ground_truth": NAMES[7], "sort": "least-sure"}),
    ("90 % and more", {"from": "90"}),
    ("30 to 40 %, wrong", {"from": "30", "to": "40", "outcome": "wrong"}),
    ("margin under 5 %", {"margin_to": "5"}),
    ("a month a year ago", {"since": "MONTH", "until": "MONTH+30"}),
    ("a month, wrong", {"since": "MONTH", "until": "MONTH+30", "outcome": "wrong"}),
    ("a month, least sure", {"since": "MONTH", "until": "MONTH+30", "sort": "least-sure"}),
    ("a name that few have", {"filename": "monza"}),
    ("a name that most have", {"filename": "img_"}),
    ("a name, least sure", {"filename": "monza", "sort": "least-sure"}),
    ("one person", {"uploader": "Person 3"}),
    ("from the terminal, wrong", {"source": "cli", "outcome": "wrong"}),
    ("one batch", {"batch": "BATCH"}),
    ("look-alikes", {"duplicates": "yes"}),
    ("starred", {"starred": "yes"}),
    ("version 2", {"model": f"{MODEL}@2"}),
    ("version 2, wrong, surest first", {"model": f"{MODEL}@2", "sort": "most-wrong"}),
    ("version 1, one first guess", {"model": f"{MODEL}@1", "predicted": NAMES[5]}),
)


class Settled:
    """A classifier that has made up its mind: what an upload costs besides is what is measured."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def predict(self, pixels: NDArray[np.uint8]) -> NetworkOutput:  # noqa: ARG002
        """The same for every photo."""
        values = np.full(len(NAMES), 0.4 / (len(NAMES) - 1), dtype=np.float32)
        values[5] = 0.6
        features = np.ones((2, 2, 64), dtype=np.float32)
        return NetworkOutput(values, features.mean(axis=(0, 1)), features)


def make_card(version: int) -> ModelCard:
    """A card of 196 labels."""
    labels = tuple(Label(name, name.replace("-", " ").title(), "#787878") for name in NAMES)
    return ModelCard(
        name=MODEL,
        version=version,
        title="Road cars",
        noun="car",
        noun_plural="cars",
        question="Which car is it?",
        summary="For measuring.",
        labels=labels,
        input=InputSpec(224, 224),
        temperature=1.0,
        threshold=THRESHOLD,
        limits=("None of it is real.",),
        metrics={},
    )


# ---- filling ----


def fill(path: Path, photos: int) -> None:
    """Write so many photos with predictions, thumbnails and labels into a migrated database, indexes last."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in FAST:
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _sql in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.executemany(
        "INSERT INTO known_labels (model, version, label) VALUES (?, ?, ?)",
        [(MODEL, version, name) for version in range(1, VERSIONS + 1) for name in NAMES],
    )
    thumbnails = draw_thumbnails()
    for start in range(0, photos, CHUNK):
        write_chunk(connection, start, min(CHUNK, photos - start), photos, thumbnails)
    connection.execute(
        "INSERT INTO photo_names (rowid, filename) SELECT id, filename FROM photos ORDER BY id"
    )
    columns = ", ".join(
        f"(dhash >> {near.BAND_BITS * one}) & {2**near.BAND_BITS - 1}" for one in range(near.BANDS)
    )
    connection.execute(f"INSERT INTO photo_hashes SELECT id, dhash, {columns} FROM photos")
    for _name, sql in indexes:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def fill_tally(app: Flask) -> None:
    """Count what was filled in."""
    with app.app_context():
        for _number in recount.recount():
            pass


def draw_thumbnails() -> list[bytes]:
    """Small pictures of cars, about a kilobyte each."""
    found = []
    for place in range(48):
        stream = io.BytesIO()
        picture = Image.open(CAR_PHOTOS[place % len(CAR_PHOTOS)])
        picture = picture.rotate(place // len(CAR_PHOTOS)).resize(
            (72, 45), Image.Resampling.BICUBIC
        )
        picture.save(stream, "JPEG", quality=30, optimize=True)
        found.append(stream.getvalue())
    return found


def write_chunk(
    connection: sqlite3.Connection, start: int, number: int, photos: int, thumbnails: list[bytes]
) -> None:
    """Photos `start + 1` and following, made by a seeded dice."""
    dice = np.random.default_rng(start)
    label = dice.integers(0, len(NAMES), number)
    confidence = dice.beta(4, 2, number)
    margin = confidence * dice.random(number)
    checked, right, verdict = dice.random(number), dice.random(number), dice.random(number)
    known = dice.random(number) < 0.1
    rows, said, top, pictures, events = [], [], [], [], []
    first_day = datetime(2026, 11, 1, tzinfo=UTC) - timedelta(days=DAYS)
    for at in range(number):
        photo = start + at + 1
        when = first_day + timedelta(days=DAYS) * (photo / photos)
        moment = when.strftime("%Y-%m-%d %H:%M:%S.%f")
        name, sure, gap = NAMES[label[at]], float(confidence[at]), float(margin[at])
        decision = name if sure >= THRESHOLD else UNCLASSIFIED
        truth, outcome = None, "unlabelled"
        if checked[at] < 0.3:
            truth = (
                "unusable"
                if verdict[at] < 0.003
                else name
                if right[at] < 0.85
                else NAMES[(label[at] + 1) % len(NAMES)]
            )
            outcome = (
                "unusable" if truth == "unusable" else "correct" if decision == truth else decision
            )
            outcome = outcome if outcome in ("unusable", "correct", UNCLASSIFIED) else "wrong"
            events.append(
                (
                    photo,
                    f"p{photo:011}",
                    truth,
                    MODEL,
                    "Person 1",
                    "",
                    "gallery",
                    f"b{photo // 40}",
                    moment,
                )
            )
        version = 1 + photo * VERSIONS // (photos + 1)
        filename = (
            f"monza_{photo:07}.jpg" if photo % 5000 == 0 else f"IMG_{when:%Y%m%d}_{photo:07}.jpg"
        )
        source, uploader = (("upload", None), ("api", 1 + photo % 20), ("cli", None))[photo % 3]
        mirror = (MODEL, version, name, decision, sure, gap, outcome)
        sha256 = hashlib.sha256(str(photo).encode()).hexdigest()
        twice = photo % 50 < 2
        dhash = photo // 50 if twice else photo * 6364136223846793005 % 2**63
        about = (
            photo,
            f"p{photo:011}",
            filename,
            sha256,
            moment,
            truth,
            MODEL if truth else None,
            uploader,
        )
        rows.append((*about, *mirror, source, f"u{photo // 20}", dhash, twice, photo % 997 == 0))
        for earlier in (version, *([version - 1] if known[at] and version > 1 else [])):
            key = photo * 4 + earlier
            said.append(
                (
                    key,
                    photo,
                    MODEL,
                    earlier,
                    decision,
                    name,
                    sure,
                    gap,
                    earlier == version,
                    outcome,
                    moment,
                )
            )
            top += [
                (key, rank, NAMES[(label[at] + rank - 1) % len(NAMES)], sure / rank)
                for rank in range(1, 6)
            ]
        pictures.append((photo, thumbnails[photo % len(thumbnails)]))
    insert_chunk(connection, rows, said, top, pictures, events)


def insert_chunk(
    connection: sqlite3.Connection, rows: list, said: list, top: list, pictures: list, events: list
) -> None:  # type: ignore[type-arg]
    """One executemany for each table."""
    many = connection.executemany
    many(
        "INSERT INTO photos (id, public_id, filename, sha256, width, height, bytes, format, has_metadata, created_at, ground_truth, "
        "truth_model, uploader_id, shown_model, shown_version, shown_label, shown_decision, shown_confidence, shown_margin, outcome, "
        "source, batch, dhash, has_duplicate, starred) "
        "VALUES (?, ?, ?, ?, 960, 600, 90000, 'JPEG', 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    distribution = np.linspace(2, 0, len(NAMES), dtype="<f4") / len(
        NAMES
    )  # pages that rank it need numbers that add up
    embedding = os.urandom(128)
    many(
        "INSERT INTO predictions (id, photo_id, model, version, decision, label, confidence, margin, elapsed_ms, distribution, "
        "embedding, shown, current, outcome, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 5.0, ?, ?, ?, ?, ?, ?)",
        ((*one[:8], distribution.tobytes(), embedding, one[8], one[8], *one[9:]) for one in said),
    )
    many(
        "INSERT INTO top_labels (prediction_id, rank, label, probability) VALUES (?, ?, ?, ?)", top
    )
    many("INSERT INTO thumbnails (photo_id, content) VALUES (?, ?)", pictures)
    many(
        "INSERT INTO label_events (photo_id, photo_ref, to_label, to_model, who, why, place, batch, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        events,
    )


# ---- measuring ----


@dataclass(frozen=True)
class Took:
    """Milliseconds of several runs: by the clock (median, 99th percentile), and of this process's work (median), which neighbours on the
    machine hardly touch. Asker and server are one process here."""

    median: float
    p99: float
    work: float


def timed(
    action: Callable[[], object], times: int, *, before: Callable[[], object] | None = None
) -> Took:
    """What so many runs took, after one that does not count; what happens `before` each is not timed."""
    action()
    clock, work = [], []
    for _ in range(times):
        if before is not None:
            before()
        started, worked = time.perf_counter(), time.process_time()
        action()
        clock.append((time.perf_counter() - started) * 1000)
        work.append((time.process_time() - worked) * 1000)
    return Took(
        statistics.median(clock), sorted(clock)[int(len(clock) * 0.99)], statistics.median(work)
    )


@contextmanager
def serving(app: Flask) -> Iterator[http.client.HTTPConnection]:
    """The app behind a real socket, and a connection to it that stays open."""
    handler = type(
        "Quiet",
        (WSGIRequestHandler,),
        {"log_request": lambda *_: None, "protocol_version": "HTTP/1.1"},
    )
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    try:
        yield connection
    finally:
        connection.close()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(
    connection: http.client.HTTPConnection, path: str, cookie: str = "", *, also: int = 200
) -> bytes:
    """A page, read to its end. Raises when it is not a page, nor an answer with the status `also`."""
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in (200, also):
        raise RuntimeError(f"{path}: {answer.status}")
    return body


def log_in(app: Flask) -> str:
    """The cookie of a reviewer: their pages have more in them than a visitor's."""
    answer = app.test_client().post("/login", data={"name": "Person 1", "password": PASSWORD})
    return str(answer.headers["Set-Cookie"]).split(";")[0]


def depths(parameters: dict[str, str]) -> dict[str, str]:
    """The cursors of the first, the middle and the last page."""
    wanted = parse_filter(parameters)
    key, number = sort_key(wanted), number_column(wanted)
    question = matching(*([] if key is None else [key]), number, wanted=wanted)
    rows = db.session.execute(
        select(question.where(key.is_not(None) if key is not None else True).subquery())
    ).all()
    rows = sorted(rows, reverse=wanted.sort in DOWNWARDS)
    middle = rows[len(rows) // 2] if len(rows) > history.PAGE else None
    found = {"first": ""}
    if middle is not None:
        found["middle"] = history.make_cursor(
            wanted.sort, middle[0] if key is not None else None, middle[-1], history.AFTER
        )
        found["last"] = history.LAST
    return found


def measure_pages(app: Flask, photos: int, times: int) -> None:
    """A line for each combination and depth; the slowest and how many are over 60 ms at the end."""
    month = datetime(2025, 11, 1, tzinfo=UTC)
    words = {
        "MONTH": f"{month:%Y-%m-%d}",
        "MONTH+30": f"{month + timedelta(days=29):%Y-%m-%d}",
        "BATCH": f"u{photos // 40}",
    }
    medians = []
    print(f"{'':>34}{'depth':>8}{'photos':>8}{'median ms':>11}{'p99 ms':>9}{'work ms':>9}")
    with serving(app) as connection:
        cookie = log_in(app)
        for title, parameters in COMBINATIONS:
            asked = {name: words.get(value, value) for name, value in parameters.items()}
            with app.app_context():
                cursors = depths(asked)
            for depth, cursor in cursors.items():
                path = f"/gallery?{urlencode(asked | ({'cursor': cursor} if cursor else {}))}"
                tiles = len(
                    set(re.findall(rb'href="/photos/([\w-]+)', ask(connection, path, cookie)))
                )
                took = timed(lambda path=path: ask(connection, path, cookie), times)
                medians.append((took.median, title, depth))
                print(
                    f"{title:>34}{depth:>8}{tiles:>8}{took.median:>11.1f}{took.p99:>9.1f}{took.work:>9.1f}",
                    flush=True,
                )
    over = sum(median > 60 for median, *_ in medians)
    slowest = max(medians)
    print(
        f"\n{len(medians)} pages, {over} of them over 60 ms; the slowest: {slowest[1]}, {slowest[2]}, {slowest[0]:.1f} ms"
    )


def measure_stats(app: Flask, photos: int, times: int = 15) -> None:
    """The stats, as a page and in JSON: after a label was given, again, and with filters, which are counted."""
    card, who, dice = make_card(VERSIONS), Who("benchmark"), random.Random(2)
    questions = (
        ("stats", "/stats", True),
        ("stats, again", "/stats", False),
        ("stats in JSON", "/api/v1/stats", True),
        ("stats in JSON, again", "/api/v1/stats", False),
        ("stats of one truth", f"/stats?ground_truth={NAMES[5]}", False),
        ("stats of a month", "/stats?since=2026-09-01&until=2026-09-30", False),
        ("stats of wrong answers", "/stats?outcome=wrong", False),
        ("stats of the terminal's photos", "/stats?source=cli", False),
    )
    print(f"{'':>34}{'median ms':>11}{'p99 ms':>9}{'work ms':>9}")
    with serving(app) as connection:
        cookie = log_in(app)
        for title, path, after_a_change in questions:

            def change() -> None:
                with app.app_context():
                    photo = f"p{dice.randrange(1, photos + 1):011}"
                    relabel.relabel_photos(
                        [photo], dice.choice(NAMES), [card], Stamp(who, "benchmark")
                    )

            took = timed(
                lambda path=path: ask(connection, path, cookie, also=TOO_MANY),
                times,
                before=change if after_a_change else None,
            )
            print(f"{title:>34}{took.median:>11.1f}{took.p99:>9.1f}{took.work:>9.1f}", flush=True)


def measure_queue(app: Flask, times: int = 15) -> None:
    """The review in several orders: its page, and a label given there with the page of the next photo."""
    with serving(app) as connection:
        cookie = log_in(app)
        for order in ("least-sure", "margin", "surprising"):
            path = f"/review?order={order}"

            def label_one(path: str = path) -> None:
                photo = photo_asked(ask(connection, path, cookie))
                form = urlencode({"photo": photo, "label": NAMES[5], "model": MODEL})
                headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
                connection.request("POST", path, body=form, headers=headers)
                connection.getresponse().read()

            label_one()
            first = timed(lambda path=path: ask(connection, path, cookie), times)
            both = timed(label_one, times)
            for title, took in ((f"review, {order}", first), ("label, next photo", both)):
                print(
                    f"{title:>34}{took.median:>11.1f}{took.p99:>9.1f}{took.work:>9.1f}", flush=True
                )


def photo_asked(page: bytes) -> str:
    """The id of the photo that a page of the review asks for."""
    found = re.search(rb'name="photo" value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("the review asks for no photo")
    return found[1].decode()


def measure_relabels(app: Flask, photos: int, times: int) -> Took:
    """A relabel, its commit included."""
    card, who, dice = make_card(VERSIONS), Who("benchmark"), random.Random(1)

    def one() -> None:
        photo = f"p{dice.randrange(1, photos + 1):011}"
        relabel.relabel_photos([photo], dice.choice(NAMES), [card], Stamp(who, "benchmark"))

    with app.app_context():
        return timed(one, times)


def measure_uploads(app: Flask, pictures: list[bytes]) -> list[float]:
    """Milliseconds of an upload through the JSON door, for each picture; the first does not count."""
    client = app.test_client()
    found = []
    for picture in pictures:
        form = {"file": (io.BytesIO(picture), "car.jpg")}
        started = time.perf_counter()
        answer = client.post("/api/v1/photos", data=form)
        found.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 201:
            raise RuntimeError(answer.text)
    return found[1:]


def draw_uploads(number: int) -> list[bytes]:
    """Pictures that nobody has sent yet."""
    noise = np.random.default_rng()
    found = []
    for place in range(number):
        stream = io.BytesIO()
        image = Image.open(CAR_PHOTOS[place % len(CAR_PHOTOS)])
        image.putpixel((0, 0), tuple(int(value) for value in noise.integers(0, 256, 3)))
        image.save(stream, "JPEG", quality=88, comment=noise.bytes(8))
        found.append(stream.getvalue())
    return found


# ---- the whole ----


def make_app(data: Path) -> Flask:
    """The app on a migrated database in `data`."""
    data.mkdir(parents=True, exist_ok=True)
    models = data / "models"
    for version in range(1, VERSIONS + 1):
        folder = models / MODEL / str(version)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "card.json").write_text(make_card(version).to_json(), encoding="utf-8")
    (models / MODEL / "LIVE").write_text(f"{VERSIONS}\n", encoding="ascii")
    app = create_app(
        Config(
            data=data, models=models, secret_key="k" * 32, workers=2, threads=8, rate_limits=False
        ),
        Settled(make_card(VERSIONS)),
    )
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        upgrade()
        health.tell_planner()
        for number in range(1, 21):
            if not any(one.name == f"Person {number}" for one in users.all_users()):
                users.create_user(f"Person {number}", password=PASSWORD)
    return app


def main() -> None:
    """Fill, measure, print, remove."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="marque-gallery-") as scratch:
        data = options.keep or Path(scratch) / "full"
        path = data / "marque.sqlite"
        there = path.exists()
        app = make_app(data)
        if not there:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()
            started = time.perf_counter()
            fill(path, options.photos)
            print(
                f"{options.photos:,} photos in {time.perf_counter() - started:.0f} s, {path.stat().st_size / 2**30:.2f} GiB\n"
            )
            app = make_app(data)
            started = time.perf_counter()
            fill_tally(app)
            print(f"counted from scratch in {time.perf_counter() - started:.0f} s")
        measure_stats(app, options.photos)
        measure_queue(app)
        measure_pages(app, options.photos, options.times)
        took = measure_relabels(app, options.photos, 200)
        print(
            f"a relabel: median {took.median:.1f} ms, p99 {took.p99:.1f} ms, work {took.work:.1f} ms"
        )
        compare_uploads(app, make_app(Path(scratch) / "empty"))


def compare_uploads(full: Flask, empty: Flask, rounds: int = 6, each: int = 40) -> None:
    """Uploads into both by turns, so that what else the machine does falls on both."""
    took: dict[str, list[float]] = {"full": [], "empty": []}
    for _ in range(rounds):
        for name, app in (("full", full), ("empty", empty)):
            took[name] += measure_uploads(app, draw_uploads(each + 1))
    medians = {name: statistics.median(found) for name, found in took.items()}
    print(
        f"an upload: median {medians['full']:.2f} ms into the full database, {medians['empty']:.2f} ms into an empty one, ",
        end="",
    )
    print(f"{(medians['full'] / medians['empty'] - 1) * 100:+.1f} %")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=int, default=1_000_000, help="how many (default 1,000,000)"
    )
    parser.add_argument("--times", type=int, default=30, help="runs of each page (default 30)")
    parser.add_argument("--keep", type=Path, help="a folder for the database, which stays")
    return parser.parse_args()


if __name__ == "__main__":
    main()
