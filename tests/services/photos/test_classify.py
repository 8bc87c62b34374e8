"""A photo comes in: what is written, and what happens when two come at once."""

from __future__ import annotations

import hashlib
import sqlite3
import threading

import numpy as np
import pytest
from flask import Flask

from tests.conftest import draw
from tests.fakes import FakeClassifier
from webapp.config import Config
from webapp.domain import Who
from webapp.extensions import get_pipeline
from webapp.services.photos.classify import (
    Incoming,
    Origin,
    StoredPhoto,
    classify_photo,
    clean_name,
)
from webapp.storage.database import db
from webapp.storage.tables import File, Photo, Prediction, Thumbnail, TopLabel


def put(content: bytes, name: str = "car.jpg") -> StoredPhoto:
    return classify_photo(Incoming(name, content), get_pipeline(), Origin(Who("visitor")))


def test_everything_of_a_photo_is_one_transaction(app: Flask, config: Config) -> None:
    commits: list[str] = []
    with app.app_context():
        db.session.connection().connection.driver_connection.set_trace_callback(commits.append)
        put(draw())
    assert [item for item in commits if item.startswith("COMMIT")].count("COMMIT") <= 2
    assert len([item for item in commits if item.startswith("BEGIN IMMEDIATE")]) == 1
    assert counts(config) == {
        "photos": 1,
        "files": 1,
        "thumbnails": 1,
        "predictions": 1,
        "top_labels": 5,
    }


def test_the_bytes_are_kept_as_they_came(app: Flask) -> None:
    with app.app_context():
        put(draw())
        kept = db.session.query(File).one()
        assert kept.content == draw()
        assert kept.sha256 == hashlib.sha256(draw()).hexdigest()


def test_the_distribution_can_be_rebuilt_exactly(app: Flask, classifier: FakeClassifier) -> None:
    classifier.says(mclaren=0.7, ferrari=0.2)
    with app.app_context():
        put(draw())
        prediction = db.session.query(Prediction).one()
        distribution = np.frombuffer(prediction.distribution, "<f4")
        assert distribution[classifier.card.label_names.index("mclaren")] == np.float32(0.7)
        assert prediction.margin == pytest.approx(0.5)
        assert [
            line.label for line in db.session.query(TopLabel).order_by(TopLabel.rank).limit(2)
        ] == ["mclaren", "ferrari"]


def test_four_uploads_at_once_of_the_same_bytes_are_one_photo(app: Flask, config: Config) -> None:
    answers: list[StoredPhoto] = []

    def send() -> None:
        with app.app_context():
            answers.append(put(draw()))
            db.session.remove()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({item.photo.public_id for item in answers}) == 1
    assert sorted(item.duplicate for item in answers) == [False, True, True, True]
    assert counts(config)["photos"] == 1


def test_when_writing_fails_nothing_is_left(
    app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        monkeypatch.setattr(
            "webapp.services.photos.classify.insert_predictions", lambda *_, **__: 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            put(draw())
    assert set(counts(config).values()) == {0}


def test_ids_cannot_be_guessed(app: Flask) -> None:
    with app.app_context():
        ids = [put(draw(mark=number)).photo.public_id for number in range(3)]
        assert len({len(item) for item in ids}) == 1
        assert len(ids[0]) == 12
        assert db.session.query(Photo).count() == 3
        assert db.session.query(Thumbnail).count() == 3


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("car.jpg", "car.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\car.jpg", "car.jpg"),
        ("a\nINFO fake log line.jpg", "aINFO fake log line.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("café.jpg", "café.jpg"),
        ("Лада.jpg", "Лада.jpg"),
        ("👩‍🚀🏎️.jpg", "👩‍🚀🏎️.jpg"),
        ("", "photo"),
        ("///", "photo"),
        ("x" * 300 + ".jpg", "x" * 251 + ".jpg"),
        ("\udcff.jpg", "?.jpg"),
    ],
)
def test_a_file_name_is_only_text(sent: str, kept: str) -> None:
    assert clean_name(sent) == kept


def counts(config: Config) -> dict[str, int]:
    connection = sqlite3.connect(config.data / "marque.sqlite")
    try:
        names = ("photos", "files", "thumbnails", "predictions", "top_labels")
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in names
        }
    finally:
        connection.close()
