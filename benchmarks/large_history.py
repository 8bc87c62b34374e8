"""A synthetic history of any size: 196 labels, three versions, small thumbnails."""

import hashlib
import io
import os
import sqlite3
from collections import defaultdict
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
from webapp.domain import UNCLASSIFIED, NetworkOutput
from webapp.inference.models.card import InputSpec, Label, ModelCard
from webapp.services.accounts import users
from webapp.services.operations import health
from webapp.storage.photos.lookalikes import BAND_BITS, BANDS

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
_Tables = dict[str, list[dict[str, Any]]]


class InstantClassifier:
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
    app = create_app(config, InstantClassifier(make_card(VERSIONS)))
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
    run("BEGIN")
    for name, _sql in indexes:  # they are quicker to make in the end
        run(f"DROP INDEX {name}")
    known = [
        {"model": MODEL, "version": version, "label": name}
        for version in range(1, VERSIONS + 1)
        for name in NAMES
    ]
    _insert(connection, {"known_labels": known})
    thumbnails = _make_thumbnails()
    for start in range(0, photos, _CHUNK):
        chunk = _make_chunk(start, min(_CHUNK, photos - start), photos)
        for row in chunk["photos"]:
            thumbnail = thumbnails[row["id"] % len(thumbnails)]
            chunk["thumbnails"].append({"photo_id": row["id"], "content": thumbnail})
        _insert(connection, chunk)
    names = "INSERT INTO photo_names (rowid, filename) SELECT id, filename FROM photos ORDER BY id"
    run(names)
    bands = (f"(dhash >> {BAND_BITS * band}) & {2**BAND_BITS - 1}" for band in range(BANDS))
    run(f"INSERT INTO photo_hashes SELECT id, dhash, {', '.join(bands)} FROM photos")
    for _name, sql in indexes:
        run(sql)
    run("COMMIT")
    run("PRAGMA journal_mode = WAL")
    connection.close()


def _insert(connection: sqlite3.Connection, tables: _Tables) -> None:
    for table, rows in tables.items():
        columns = list(rows[0])
        values = ", ".join(f":{column}" for column in columns)
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"
        connection.executemany(statement, rows)


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


def _make_chunk(start: int, count: int, photos: int) -> _Tables:
    """The rows of photos `start + 1` and following, seeded."""
    rng = np.random.default_rng(start)
    labels = rng.integers(0, len(NAMES), count).tolist()
    confidences = rng.beta(4, 2, count)
    margins = (confidences * rng.random(count)).tolist()
    checked, right, verdict, twice = (rng.random(count) for _ in range(4))
    tables: _Tables = defaultdict(list)
    for place, (label, confidence) in enumerate(zip(labels, confidences.tolist(), strict=True)):
        number, name = start + place + 1, NAMES[label]
        decision = name if confidence >= _THRESHOLD else UNCLASSIFIED
        truth, outcome = None, "unlabelled"
        if checked[place] < 0.3:
            truth = name if right[place] < 0.85 else NAMES[(label + 1) % len(NAMES)]
            truth = "unusable" if verdict[place] < 0.003 else truth
            outcome = _outcome(truth, decision)
        version = 1 + number * VERSIONS // (photos + 1)
        answer = {
            "model": MODEL,
            "version": version,
            "label": name,
            "decision": decision,
            "confidence": confidence,
            "margin": margins[place],
        }
        created_at = _FIRST_DAY + _LENGTH * (number / photos)
        photo = _make_photo(number, created_at, truth, answer) | {"outcome": outcome}
        tables["photos"].append(photo)
        if truth:
            tables["label_events"].append(_make_event(photo))
        earlier = [version - 1] if twice[place] < 0.1 and version > 1 else []
        for ranked_by in (version, *earlier):
            prediction = _make_prediction(photo, answer, ranked_by)
            tables["predictions"].append(prediction)
            tables["top_labels"] += [
                {
                    "prediction_id": prediction["id"],
                    "rank": rank,
                    "label": NAMES[(label + rank - 1) % len(NAMES)],
                    "probability": confidence / rank,
                }
                for rank in range(1, 6)
            ]
    return tables


def _outcome(truth: str, decision: str) -> str:
    if truth == "unusable" or decision == UNCLASSIFIED:
        return truth if truth == "unusable" else decision
    return "correct" if decision == truth else "wrong"


def _make_photo(
    number: int, created_at: datetime, truth: str | None, answer: dict[str, Any]
) -> dict[str, Any]:
    source, uploader = (("upload", None), ("api", 1 + number % 20), ("cli", None))[number % 3]
    repeated = number % 50 < 2
    rare = number % 5000 == 0
    return {
        "id": number,
        "public_id": f"p{number:011}",
        "filename": f"{'monza' if rare else f'IMG_{created_at:%Y%m%d}'}_{number:07}.jpg",
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "width": 960,
        "height": 600,
        "bytes": 90_000,
        "format": "JPEG",
        "has_metadata": 0,
        "created_at": created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "ground_truth": truth,
        "truth_model": MODEL if truth else None,
        "uploader_id": uploader,
        **{f"shown_{key}": value for key, value in answer.items()},
        "source": source,
        "batch": f"u{number // 20}",
        "dhash": number // 50 if repeated else number * 6364136223846793005 % 2**63,
        "has_duplicate": repeated,
        "starred": number % 997 == 0,
    }


def _make_event(photo: dict[str, Any]) -> dict[str, Any]:
    return {
        "photo_id": photo["id"],
        "photo_ref": photo["public_id"],
        "to_label": photo["ground_truth"],
        "to_model": MODEL,
        "who": "Person 1",
        "why": "",
        "place": "gallery",
        "batch": f"b{photo['id'] // 40}",
        "created_at": photo["created_at"],
    }


def _make_prediction(photo: dict[str, Any], answer: dict[str, Any], version: int) -> dict[str, Any]:
    stands = version == answer["version"]
    return answer | {
        "id": photo["id"] * 4 + version,
        "photo_id": photo["id"],
        "version": version,
        "elapsed_ms": 5.0,
        "distribution": _DISTRIBUTION,
        "embedding": os.urandom(128),
        "shown": stands,
        "current": stands,
        "outcome": photo["outcome"],
        "created_at": photo["created_at"],
    }
