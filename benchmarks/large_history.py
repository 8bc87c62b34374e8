"""A synthetic history of any size: 196 labels, three versions, small thumbnails."""

import hashlib
import io
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask_migrate import upgrade
from numpy.typing import NDArray
from PIL import Image

from benchmarks.servers import CAR_PHOTOS
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import BAND_BITS, BANDS, UNCLASSIFIED, NetworkOutput
from webapp.inference.models.card import InputSpec, Label, ModelCard
from webapp.services.accounts import users
from webapp.services.operations import health

MODEL = "stanford-cars"
VERSIONS = 3
NAMES = tuple(f"make{number % 49:02}-model{number:03}" for number in range(196))
_THRESHOLD = 0.4
PASSWORD = "benchmark-only"
_CHUNK = 20_000
_LENGTH = timedelta(days=730)
_FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC) - _LENGTH
# pages that rank the labels need numbers that add up to 1
_DISTRIBUTION = (np.linspace(2, 0, len(NAMES), dtype="<f4") / len(NAMES)).tobytes()


class _InstantClassifier:
    """Gives every photo the same answer at once, so that all else of an upload is measured."""

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
        threshold=_THRESHOLD,
    )


def make_app(data: Path) -> Flask:
    """The app on a migrated database in `data`, with twenty people."""
    models = data / "models" / MODEL
    for version in range(1, VERSIONS + 1):
        (models / str(version)).mkdir(parents=True, exist_ok=True)
        card = make_card(version).to_json()
        (models / str(version) / "card.json").write_text(card, encoding="utf-8")
    (models / "LIVE").write_text(f"{VERSIONS}\n", encoding="ascii")
    settings = {"secret_key": "k" * 32, "workers": 2, "threads": 8, "rate_limits": False}
    config = Config(data=data, models=models.parent, **settings)
    app = create_app(config, _InstantClassifier(make_card(VERSIONS)))
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        upgrade()
        health.tell_planner()
        known = {user.name for user in users.all_users()}
        for name in {f"Person {number}" for number in range(1, 21)} - known:
            users.create_user(name, password=PASSWORD)
    return app


def fill(path: Path, photos: int) -> None:
    """Write photos with predictions, thumbnails and labels into a migrated database."""
    connection = sqlite3.connect(path, isolation_level=None)
    run = connection.execute
    for pragma in ("synchronous = OFF", "foreign_keys = OFF", "temp_store = MEMORY"):
        run(f"PRAGMA {pragma}")
    run("PRAGMA journal_mode = MEMORY")
    run("PRAGMA cache_size = -200000")
    indexes = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    indexes = run(indexes).fetchall()
    run("CREATE TEMP TABLE names (number INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    run("CREATE TEMP TABLE pictures (number INTEGER PRIMARY KEY, content BLOB)")
    connection.executemany("INSERT INTO names VALUES (?, ?)", enumerate(NAMES))
    pictures = _make_thumbnails()
    connection.executemany("INSERT INTO pictures VALUES (?, ?)", enumerate(pictures))
    run("BEGIN")
    for name, _sql in indexes:  # they are quicker to make in the end
        run(f"DROP INDEX {name}")
    for start in range(0, photos, _CHUNK):
        rows = _make_photos(start, min(_CHUNK, photos - start), photos)
        columns = list(rows[0])
        values = ", ".join(f":{column}" for column in columns)
        statement = f"INSERT INTO photos ({', '.join(columns)}) VALUES ({values})"
        connection.executemany(statement, rows)
    parameters = {"model": MODEL, "distribution": _DISTRIBUTION, "pictures": len(pictures)}
    for statement in _FROM_PHOTOS:
        run(statement, parameters)
    bands = (f"(phash >> {BAND_BITS * band}) & {2**BAND_BITS - 1}" for band in range(BANDS))
    run(f"INSERT INTO photo_hashes SELECT id, phash, {', '.join(bands)} FROM photos")
    for _name, sql in indexes:
        run(sql)
    run("COMMIT")
    run("PRAGMA journal_mode = WAL")
    connection.close()


# one in ten has the answer of an earlier version too
_PREDICTIONS = """
    INSERT INTO predictions (id, car_id, photo_id, model, version, decision, label, confidence,
        margin, elapsed_ms, distribution, embedding, shown, current, outcome, created_at)
    SELECT id * 4 + version, id, id, shown_model, version, shown_decision, shown_label,
        shown_confidence, shown_margin, 5.0, :distribution, randomblob(128),
        version = shown_version, version = shown_version, outcome, created_at
    FROM photos JOIN (SELECT 1 AS version UNION SELECT 2 UNION SELECT 3)
    ON version = shown_version OR version = shown_version - 1 AND id % 10 = 0"""
# the whole photo is the only car of each
_CARS = """
    INSERT INTO cars (id, public_id, photo_id, position, x, y, width, height, found_by, created_at,
        ground_truth, truth_model, shown_model, shown_version, shown_label, shown_decision,
        shown_confidence, shown_margin, outcome)
    SELECT id, 'c' || id, id, 0, 0, 0, 1, 1, 'whole', created_at, ground_truth, truth_model,
        shown_model, shown_version, shown_label, shown_decision, shown_confidence, shown_margin,
        outcome
    FROM photos ORDER BY id"""
_FROM_PHOTOS = (
    "INSERT INTO known_labels (model, version, label) SELECT :model, version, name FROM names "
    "JOIN (SELECT 1 AS version UNION SELECT 2 UNION SELECT 3)",
    "INSERT INTO photo_names (rowid, filename) SELECT id, filename FROM photos ORDER BY id",
    "INSERT INTO thumbnails (photo_id, content) SELECT id, content FROM photos "
    "JOIN pictures ON number = id % :pictures ORDER BY id",
    _CARS,
    "INSERT INTO label_events (car_id, photo_ref, to_label, to_model, who, why, place, batch, "
    "created_at) SELECT id, public_id, ground_truth, truth_model, 'Person 1', '', 'gallery', "
    "'b' || id / 40, created_at FROM photos WHERE ground_truth IS NOT NULL ORDER BY id",
    _PREDICTIONS,
    "INSERT INTO top_labels (prediction_id, rank, label, probability) "
    "SELECT id, rank, names.name, confidence / rank FROM predictions "
    "JOIN (SELECT 1 AS rank UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) "
    f"JOIN names AS first ON first.name = label JOIN names ON names.number = "
    f"(first.number + rank - 1) % {len(NAMES)} ORDER BY id",
)


def _make_thumbnails() -> list[bytes]:
    """Small pictures of cars, about a kilobyte each."""
    thumbnails = []
    for number in range(48):
        stream = io.BytesIO()
        picture = Image.open(CAR_PHOTOS[number % len(CAR_PHOTOS)]).rotate(number // 10)
        picture = picture.resize((72, 45), Image.Resampling.BICUBIC)
        picture.save(stream, "JPEG", quality=30, optimize=True)
        thumbnails.append(stream.getvalue())
    return thumbnails


def _make_photos(start: int, count: int, photos: int) -> list[dict[str, Any]]:
    """The rows of photos `start + 1` and following, seeded."""
    rng = np.random.default_rng(start)
    labels = rng.integers(0, len(NAMES), count).tolist()
    confidences = rng.beta(4, 2, count)
    margins = (confidences * rng.random(count)).tolist()
    checked, right, verdict = (rng.random(count) for _ in range(3))
    rows = []
    for place, (label, confidence) in enumerate(zip(labels, confidences.tolist(), strict=True)):
        number, name = start + place + 1, NAMES[label]
        decision = name if confidence >= _THRESHOLD else UNCLASSIFIED
        truth = None
        if checked[place] < 0.3:
            truth = name if right[place] < 0.85 else NAMES[(label + 1) % len(NAMES)]
            truth = "unusable" if verdict[place] < 0.003 else truth
        if truth is None or truth == "unusable":
            outcome = truth or "unlabelled"
        elif decision == UNCLASSIFIED:
            outcome = decision
        else:
            outcome = "correct" if decision == truth else "wrong"
        answer = {
            "shown_model": MODEL,
            "shown_version": 1 + number * VERSIONS // (photos + 1),
            "shown_label": name,
            "shown_decision": decision,
            "shown_confidence": confidence,
            "shown_margin": margins[place],
            "ground_truth": truth,
            "truth_model": MODEL if truth else None,
            "outcome": outcome,
        }
        rows.append(_describe(number, _FIRST_DAY + _LENGTH * (number / photos)) | answer)
    return rows


def _describe(number: int, created_at: datetime) -> dict[str, Any]:
    """What a photo is, whatever was answered."""
    source, uploader = (("upload", None), ("api", 1 + number % 20), ("cli", None))[number % 3]
    prefix = "monza" if number % 5000 == 0 else f"IMG_{created_at:%Y%m%d}"
    repeated = number % 50 < 2
    return {
        "id": number,
        "public_id": f"p{number:011}",
        "filename": f"{prefix}_{number:07}.jpg",
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "width": 960,
        "height": 600,
        "bytes": 90_000,
        "format": "JPEG",
        "has_metadata": 0,
        "created_at": created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "uploader_id": uploader,
        "source": source,
        "batch": f"u{number // 20}",
        "phash": number // 50 if repeated else number * 6364136223846793005 % 2**63,
        "has_duplicate": repeated,
        "starred": number % 997 == 0,
    }
