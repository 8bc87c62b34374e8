"""Every number of the stats is what scikit-learn counts from the exported table.

Real photos, the shipped model.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.conftest import ROOT
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import AUDIT, NONE_OF_THESE, UNCLASSIFIED, Who
from webapp.extensions import (
    get_classifier,
    get_pipeline,
    get_version_card,
    load_classifier,
)
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.registry import Registry
from webapp.reports.csv_safety import plain_cell
from webapp.services.accounts import api_keys
from webapp.services.labels import relabel
from webapp.services.photos.classify import Incoming, Origin, ask_models, classify_photo
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Photo

metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
calibration = pytest.importorskip("sklearn.calibration", reason="scikit-learn is not installed")
ANNA = Who("Anna")
EACH = 8
"""Photos of each team that the version was trained on, and others."""

OLDER = min(Registry(ROOT / "models").versions("f1-teams"))


@pytest.fixture(scope="module")
def served(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A server with the shipped models and real photos, all checked.

    Some of them in an audit, some with another label, half also classified by the version before.
    """
    app = create_app(
        Config(
            data=tmp_path_factory.mktemp("served"),
            models=ROOT / "models",
            secret_key="k" * 32,
            workers=1,
            threads=8,
        )
    )
    with app.app_context():
        db.create_all()
        _row, key = api_keys.create_key("tests", "admin")
        app.config["KEY"] = {"Authorization": f"Bearer {key}"}
        card, pipeline = get_classifier().card, get_pipeline("f1-teams")
        older = load_classifier(Registry(ROOT / "models"), card.name, OLDER, "litert")
        trained_on = read_split(ROOT / "models" / card.name / str(card.version), card) or {}
        for folder in sorted(
            item for item in (shared / "data" / "f1-photos").iterdir() if item.is_dir()
        ):
            files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
            new = [
                name
                for name, content in files.items()
                if trained_on.get(hashlib.sha256(content).hexdigest(), HELD_OUT) == HELD_OUT
            ]
            for number, name in enumerate(
                sorted([*new[:EACH], *[name for name in files if name not in new][:EACH]])
            ):
                truth = NONE_OF_THESE if number == 5 else "haas" if number == 6 else folder.name
                incoming = Incoming(name, files[name])
                origin = Origin(ANNA, AUDIT if number % 3 == 1 else "api", truth)
                photo = classify_photo(incoming, pipeline, origin).photo
                if number % 2 == 0:
                    asked = replace(pipeline, classifiers=[older])
                    ask_models(db.session.get_one(Photo, photo.id), asked, standing=False)
        unusable = classify_photo(Incoming("x.png", _noise()), pipeline, Origin(ANNA)).photo
        relabel.relabel_photo(unusable.public_id, "unusable", [card], Stamp(ANNA, "photo"))
    return app


def _noise() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((320, 200), 60).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def client(served: Flask) -> FlaskClient:
    return served.test_client()


def exported(client: FlaskClient, **asked: str) -> list[dict[str, str]]:
    """The lines of the exported table that can be compared with the labels."""
    answer = client.get(
        "/api/v1/export",
        query_string={"format": "csv", **asked},
        headers=client.application.config["KEY"],
    )
    rows = [
        {name: plain_cell(cell) for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(answer.text))
    ]
    return [row for row in rows if row["outcome"] in ("correct", "wrong", "unclassified")]


QUESTIONS = [
    ({}, lambda row: not row["learnt"]),
    ({"include": "learnt"}, lambda row: True),
    ({"model": f"f1-teams@{OLDER}", "include": "learnt"}, lambda row: True),
    ({"include": "learnt", "min_confidence": "0.6"}, lambda row: float(row["confidence_1"]) >= 0.6),
]


@pytest.fixture(params=QUESTIONS, ids=lambda item: str(item[0]))
def both(
    request: pytest.FixtureRequest, client: FlaskClient
) -> tuple[dict[str, Any], list[dict[str, str]], list[str]]:
    """What the stats say, the same lines of the exported table, and the labels."""
    asked, passes = request.param
    rows = [
        row
        for row in exported(
            client, **{name: value for name, value in asked.items() if name == "model"}
        )
        if passes(row)
    ]
    assert len(rows) > 20
    with client.application.app_context():
        names = list(get_version_card("f1-teams", int(rows[0]["version"])).label_names)
    return client.get("/api/v1/stats", query_string=asked).json, rows, names


def share(figures: dict[str, Any]) -> tuple[int, float | None]:
    return figures["n"], figures["share"]


def accuracy(rows: list[dict[str, str]], column: str) -> tuple[int, float | None]:
    if not rows:
        return 0, None
    return len(rows), pytest.approx(
        metrics.accuracy_score([row["ground_truth"] for row in rows], [row[column] for row in rows])
    )


@pytest.mark.parametrize("sample", ["checked", "audited"])
def test_the_figures_of_both_samples(both: Any, sample: str) -> None:
    body, every, names = both
    rows = [
        row
        | {
            "said": NONE_OF_THESE
            if row["decision"] == UNCLASSIFIED and row["ground_truth"] == NONE_OF_THESE
            else row["decision"]
        }
        for row in every
    ]
    rows = [row for row in rows if sample == "checked" or row["audited"]]
    known = [row for row in rows if row["ground_truth"] != NONE_OF_THESE]
    figures = body[sample]
    assert figures["n"] == len(rows) > 0
    assert share(figures["right"]) == accuracy(rows, "said")
    assert share(figures["named"]) == accuracy(
        [row for row in rows if row["decision"] != UNCLASSIFIED], "decision"
    )
    assert share(figures["first"]) == accuracy(known, "label_1")
    assert figures["unsure"]["hits"] == sum(row["decision"] == UNCLASSIFIED for row in known)
    assert figures["right"]["hits"] + figures["unsure"]["hits"] + figures["wrong"]["hits"] == len(
        rows
    )
    assert figures["none"]["n"] == len(rows) - len(known)
    scores = np.array(
        [
            [
                next(
                    (
                        float(row[f"confidence_{number}"])
                        for number in range(1, 6)
                        if row[f"label_{number}"] == name
                    ),
                    0.0,
                )
                for name in names
            ]
            for row in known
        ]
    )
    places = [names.index(row["ground_truth"]) for row in known]
    assert figures["five"]["share"] == pytest.approx(
        metrics.top_k_accuracy_score(places, scores, k=5, labels=range(len(names)))
    )
    truths, decisions = [row["ground_truth"] for row in rows], [row["decision"] for row in rows]
    seen = sorted({item for item in truths if item != NONE_OF_THESE})
    assert figures["macro_f1"] == pytest.approx(
        metrics.f1_score(truths, decisions, labels=seen, average="macro", zero_division=0)
    )


def test_label_by_label(both: Any) -> None:
    body, rows, names = both
    truths, decisions = [row["ground_truth"] for row in rows], [row["decision"] for row in rows]
    precision, recall, f1, n = metrics.precision_recall_fscore_support(
        truths, decisions, labels=names, zero_division=0
    )
    for line in body["labels"]:
        number = names.index(line["label"])
        got = (
            line["trust"]["share"] or 0,
            line["found"]["share"] or 0,
            line["f1"] or 0,
            line["found"]["n"],
        )
        assert got == pytest.approx((precision[number], recall[number], f1[number], n[number])), (
            line["label"]
        )


def test_what_is_taken_for_what(both: Any) -> None:
    body, rows, names = both
    table = metrics.confusion_matrix(
        [row["ground_truth"] for row in rows],
        [row["decision"] for row in rows],
        labels=[*names, UNCLASSIFIED, NONE_OF_THESE],
    )
    expected = {
        (names[truth], names[decision]): int(table[truth, decision])
        for truth in range(len(names))
        for decision in range(len(names))
        if truth != decision
    }
    assert {(item["ground_truth"], item["decision"]): item["n"] for item in body["mix_ups"]} == {
        pair: n for pair, n in expected.items() if n
    }


def test_the_confidence_and_the_thresholds(both: Any) -> None:
    body, rows, _names = both
    known = [row for row in rows if row["ground_truth"] != NONE_OF_THESE]
    right = [row["label_1"] == row["ground_truth"] for row in known]
    fraction, confidence = calibration.calibration_curve(
        right, [float(row["confidence_1"]) for row in known], n_bins=10
    )
    assert [item["right"]["share"] for item in body["reliability"]] == pytest.approx(
        fraction.tolist()
    )
    answers = [item["confidence"] for item in body["reliability"]]
    assert answers == pytest.approx(confidence.tolist())
    for step in body["thresholds"]:
        through = [row for row in rows if float(row["confidence_1"]) >= step["threshold"]]
        assert share(step["right"]) == accuracy(through, "label_1")
        assert step["unclassified"]["hits"] == len(rows) - len(through)


def test_months_and_versions(both: Any) -> None:
    body, rows, _names = both
    months, right = (
        Counter(row["created_at"][:7] for row in rows),
        Counter(row["created_at"][:7] for row in rows if row["outcome"] == "correct"),
    )
    assert {
        item["month"]: (item["right"]["n"], item["right"]["hits"]) for item in body["months"]
    } == {name: (n, right[name]) for name, n in months.items()}
    mine = next(item for item in body["versions"] if str(item["version"]) == rows[0]["version"])
    assert (mine["checked"]["n"], mine["checked"]["hits"]) == (
        len(rows),
        sum(row["outcome"] == "correct" for row in rows),
    )
    assert mine["audited"]["n"] == sum(bool(row["audited"]) for row in rows)


def test_the_tables_of_the_page(client: FlaskClient) -> None:
    rows = exported(client)
    lines = list(csv.DictReader(io.StringIO(client.get("/stats/labels.csv?include=learnt").text)))
    truths, decisions, names = (
        [row["ground_truth"] for row in rows],
        [row["decision"] for row in rows],
        [line["label"] for line in lines],
    )
    precision, recall, f1, n = metrics.precision_recall_fscore_support(
        truths, decisions, labels=names, zero_division=0
    )
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1), ("photos", n)):
        assert [float(line[name] or 0) for line in lines] == pytest.approx(expected.tolist()), name
    cells = list(csv.reader(io.StringIO(client.get("/stats/matrix.csv?include=learnt").text)))
    table = metrics.confusion_matrix(truths, decisions, labels=[*cells[0][1:], NONE_OF_THESE])
    assert [[int(cell) for cell in row[1:]] for row in cells[1:-1]] == table[:-2, :-1].tolist()
    assert [int(cell) for cell in cells[-1][1:]] == table[-1, :-1].tolist()


def test_photos_that_the_version_was_trained_on_are_told(client: FlaskClient) -> None:
    rows, trained_on = exported(client), client.get("/api/v1/stats").json["learnt"]
    assert trained_on == {
        "known": True,
        "photos": sum(bool(row["learnt"]) for row in rows),
        "counted": False,
    }
    assert 0 < trained_on["photos"] < len(rows)
