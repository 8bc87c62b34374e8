"""Migrations: the newest equals the tables, and they go down and up again with rows in them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from PIL import Image
from sqlalchemy import Connection, inspect, text

from tests.conftest import draw
from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter
from webapp.inference.decoding.images import make_thumbnail, thumbnail_hash
from webapp.services.labels.relabel import remember_label_sets
from webapp.services.photos.gallery import gallery_page
from webapp.storage.database import db
from webapp.storage.photos.lookalikes import near_photos
from webapp.storage.sqlite import is_not_of_index
from webapp.storage.stats import counters, stats
from webapp.storage.tables import Photo

CARS = Path(__file__).parent / "pictures" / "cars"
PHOTO = {"filename": "a.jpg", "width": 1, "height": 1, "bytes": 1, "format": "JPEG"} | {
    "has_metadata": False,
    "created_at": "2026-01-01",
}
MIRRORED = {"outcome": "unlabelled", "source": "", "has_duplicate": False, "starred": False}
PREDICTION = {"model": "f1-teams", "decision": "bwt", "label": "bwt", "confidence": 0.9} | {
    "margin": 0.8,
    "elapsed_ms": 1,
    "distribution": b"",
    "embedding": b"",
    "created_at": "2026-01-01",
}


@pytest.fixture
def empty_app(config: Config) -> Iterator[Flask]:
    """An app whose database nobody has made yet."""
    app = create_app(config, FakeClassifier())
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_the_newest_migration_equals_the_tables(empty_app: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": is_not_of_index}
        )
        assert compare_metadata(context, db.metadata) == []


def test_down_and_up_again_leaves_the_same_tables(empty_app: Flask) -> None:
    upgrade()
    before = sorted(inspect(db.engine).get_table_names())
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    upgrade()
    assert sorted(inspect(db.engine).get_table_names()) == before


def test_upgrading_twice_keeps_the_rows(empty_app: Flask) -> None:
    upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("INSERT INTO files (sha256, content) VALUES ('a', x'00')"))
    upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM files")).scalar() == 1


def test_after_a_migration_foreign_keys_are_on_again(empty_app: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def add(connection: Connection, table: str, **values: object) -> None:
    """One row of a table as it was then."""
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608
    connection.execute(text(statement), values)


def add_photo(connection: Connection, number: int, **values: object) -> None:
    """A photo of before; `values` are what differs, and columns that came later."""
    names = {"id": number, "public_id": f"p{number}", "sha256": f"s{number}"}
    add(connection, "photos", **(names | PHOTO | values))


def rows(statement: str) -> list[object]:
    """What is in the database now: rows, or values where a row has one."""
    with db.engine.connect() as connection:
        result = connection.execute(text(statement)).all()
    return [row[0] if len(row) == 1 else tuple(row) for row in result]


def test_a_history_of_one_model_is_taken_over(empty_app: Flask) -> None:
    upgrade(revision="0001")
    with db.engine.begin() as connection:
        for number, truth in ((1, "haas"), (2, "none"), (3, None)):
            add_photo(connection, number, ground_truth=truth)
            for version in (1, 2):
                key = number * 10 + version
                answer = PREDICTION | {"id": key, "photo_id": number, "version": version}
                add(connection, "predictions", shown=version == 2, **answer)
                top = {"prediction_id": key, "rank": 1, "label": "bwt", "probability": 0.9}
                add(connection, "top_labels", **top)
    upgrade()
    page = gallery_page(GalleryFilter(model="f1-teams"))
    assert [(photo.id, photo.meant_outcome) for photo in page.items] == [
        (3, "unlabelled"),
        (2, "wrong"),
        (1, "wrong"),
    ]
    assert rows("SELECT version FROM predictions WHERE current") == [2, 2, 2]
    assert rows("SELECT truth_model FROM photos") == ["f1-teams", "f1-teams", None]


def test_people_who_disagreed_before_it_was_noticed_are_found(empty_app: Flask) -> None:
    upgrade(revision="0005")
    when = {"created_at": "2026-01-01"}
    event = {"photo_ref": "", "from_label": None, "to_model": "f1-teams", "why": "", "batch": "b"}
    with db.engine.begin() as connection:
        for number in (1, 2):
            user = {"name": f"u{number}", "password_hash": "", "role": "admin", "stamp": ""} | when
            add(connection, "users", id=number, first_password=False, **user)
        for number, first in ((1, "bwt"), (2, "haas")):
            truth = {"ground_truth": "haas", "truth_model": "f1-teams"}
            add_photo(connection, number, **truth, **MIRRORED)
            for user, label in ((1, first), (2, "haas")):
                who = {"user_id": user, "who": f"u{user}", "place": "photo", "to_label": label}
                add(connection, "label_events", photo_id=number, **event, **who, **when)
    upgrade()
    assert rows("SELECT id FROM photos WHERE disputed") == [1]


def test_pictures_of_before_get_perceptual_hashes_from_their_thumbnails(empty_app: Flask) -> None:
    upgrade(revision="0022")
    with Image.open(CARS / "haas.jpg") as picture, Image.open(CARS / "bwt.jpg") as other:
        small = picture.resize((160, 120))
        copies = [make_thumbnail(image) for image in (picture, small, other)]
        flat = make_thumbnail(Image.new("RGB", (120, 80), (90, 90, 90)))
    thumbnails = dict(enumerate([*copies, copies[0], flat, b"broken"], 1))
    with db.engine.begin() as connection:
        for number, content in thumbnails.items():
            add_photo(connection, number, dhash=number, **MIRRORED)
            add(connection, "thumbnails", photo_id=number, content=content)
    upgrade()
    assert [db.session.get_one(Photo, number).phash for number in thumbnails] == [
        *map(thumbnail_hash, list(thumbnails.values())[:4]),
        None,
        None,
    ]
    assert [photo.id for photo in near_photos(db.session.get_one(Photo, 1), 5)] == [4, 2]
    assert rows("SELECT id FROM photos WHERE has_duplicate") == [1, 2, 4]


def test_preparing_completes_the_label_sets_of_an_older_history(
    app: Flask, upload: Callable[..., str]
) -> None:
    upload()
    with app.app_context():
        db.session.execute(text("DELETE FROM known_labels WHERE label = 'haas'"))
        db.session.commit()
        remember_label_sets(get_registry())
        assert db.session.execute(text("SELECT count(*) FROM known_labels")).scalar() == 10


def test_the_gallery_of_an_older_history_is_filled(empty_app: Flask) -> None:
    upgrade(revision="0003")
    striped = draw_stripes()
    with db.engine.begin() as connection:
        add(connection, "known_labels", model="f1-teams", version=1, label="haas")
        for number, truth in ((1, "haas"), (2, "bwt"), (3, None)):
            add_photo(connection, number, filename=f"IMG_000{number}.JPG", ground_truth=truth)
            picture = striped if number < 3 else draw()
            add(connection, "thumbnails", photo_id=number, content=picture)
            marks = {"photo_id": number, "version": 1, "shown": True, "current": True}
            add(connection, "predictions", **PREDICTION, **marks)
        lines = [
            {"filename": "a", "photo": name, "duplicate": False, "error": None}
            for name in ("p1", "p3")
        ]
        together = {"public_id": "together", "results": json.dumps(lines)}
        add(connection, "uploads", created_at="2026-01-01", **together)
    upgrade()
    for wanted, expected in (
        (GalleryFilter(outcome="wrong"), [1]),
        (GalleryFilter(outcome="correct", model="f1-teams", version=1), [2]),
        (GalleryFilter(duplicates="yes"), [2, 1]),
        (GalleryFilter(batch="together"), [3, 1]),
        (GalleryFilter(filename="g_0002.j", min_margin=0.8), [2]),
    ):
        assert [photo.id for photo in gallery_page(wanted).items] == expected
    downgrade(revision="0003")


def test_what_was_checked_before_is_in_the_sums(empty_app: Flask) -> None:
    upgrade(revision="0011")
    moment = "2026-02-03 10:00:00.000000"
    truth = MIRRORED | {"ground_truth": "bwt", "truth_model": "f1-teams", "created_at": moment}
    event = {"photo_ref": "", "who": "Anna", "why": "", "batch": "b", "to_label": "bwt"}
    answered = PREDICTION | {"version": 1, "shown": True, "current": True, "confidence": 0.29}
    with db.engine.begin() as connection:
        for number, decision, outcome, place in (
            (1, "bwt", "correct", "audit"),
            (2, "haas", "wrong", "photo"),
            (3, "bwt", "correct", "photo"),
        ):
            gone = {"deleted_at": "2026-03-01 00:00:00"} if number == 3 else {}
            add_photo(connection, number, **(truth | gone | {"outcome": outcome}))
            answer = answered | {"label": decision, "decision": decision, "outcome": outcome}
            add(connection, "predictions", id=number, photo_id=number, **answer)
            top = {"prediction_id": number, "rank": 2, "label": "bwt", "probability": 0.2}
            add(connection, "top_labels", **top)
            where = {"photo_id": number, "place": place, "created_at": "2026-02-03 10:00:00"}
            add(connection, "label_events", **event, **where)
    upgrade()
    assert counters.differences() == (0, 0)
    counts = stats.count_answers(GalleryFilter(), "f1-teams", 1)
    months = [(row.month, row.audited, row.trained, row.n, row.right) for row in counts.months]
    assert months == [(202602, False, False, 1, 0), (202602, True, False, 1, 1)]
    first = [pair.n if pair.label == pair.truth else 0 for pair in counts.pairs]
    assert [(pair.decision, pair.five) for pair in counts.pairs] == [("haas", 1), ("bwt", 1)]
    assert first == [0, 1]


def draw_stripes() -> bytes:
    """A picture with structure: its difference hash is not 0."""
    image, stream = Image.linear_gradient("L").rotate(90).convert("RGB"), io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


def test_merges_of_an_older_history_become_label_events_and_a_map(empty_app: Flask) -> None:
    upgrade(revision="0017")
    truth = {"ground_truth": "ferrari", "given_label": "haas", "truth_model": "f1-teams"}
    edit = {"model": "f1-teams", "kind": "merged", "created_at": "2026-01-02", "who": "Anna"}
    with db.engine.begin() as connection:
        add_photo(connection, 1, **truth, **MIRRORED)
        for number, (label, into) in enumerate((("haas", "bwt"), ("bwt", "ferrari")), start=1):
            batch = f"b{number}"
            add(connection, "label_changes", label=label, value=into, why="", batch=batch, **edit)
            add(connection, "read_labels", model="f1-teams", label=label, reads_as="ferrari")
        right = {"model": "f1-teams", "version": 1, "label": "haas", "answer": "ferrari"}
        add(connection, "expected_answers", **right)
    upgrade(revision="0018")
    assert rows("SELECT from_label, to_label, place, batch, who FROM label_events ORDER BY id") == [
        ("haas", "bwt", "merge", "b1", "Anna"),
        ("bwt", "ferrari", "merge", "b2", "Anna"),
    ]
    assert rows("SELECT version, label, canonical FROM canonical_labels ORDER BY 1, 2") == [
        (0, "bwt", "ferrari"),
        (0, "haas", "ferrari"),
        (1, "haas", "ferrari"),
    ]
    assert rows("SELECT count(*) FROM label_edits") == [2]
    downgrade(revision="0017")
    assert rows("SELECT ground_truth, given_label FROM photos") == [("ferrari", "haas")]
    assert rows("SELECT count(*) FROM label_events") == [0]
    assert rows("SELECT count(*) FROM read_labels") == [2]


def test_each_photo_of_an_older_history_has_one_car_with_its_number(empty_app: Flask) -> None:
    upgrade(revision="0018")
    moment = {"created_at": "2026-02-03 10:00:00"}
    truth = MIRRORED | {"ground_truth": "bwt", "truth_model": "f1-teams", "outcome": "correct"}
    event = {"photo_ref": "p2", "who": "Anna", "why": "", "batch": "b", "to_label": "bwt"}
    doubt = {"model": "f1-teams", "given": "bwt", "other": "haas", "margin": -0.1}
    user = {"id": 1, "name": "Anna", "password_hash": "", "role": "admin", "stamp": ""}
    with db.engine.begin() as connection:
        add(connection, "users", first_password=False, **user, **moment)
        add_photo(connection, 1, **MIRRORED)
        add_photo(connection, 2, **truth)
        answer = PREDICTION | {"version": 1, "shown": True, "current": True, "outcome": "correct"}
        add(connection, "predictions", id=7, photo_id=2, **answer)
        add(connection, "label_events", photo_id=2, place="audit", **event, **moment)
        add(connection, "audits", id=1, seed=1, size=1, who="Anna", **moment)
        add(connection, "audit_photos", audit_id=1, position=0, photo_id=2)
        add(
            connection,
            "suspicions",
            **doubt,
            photo_id=2,
            probability=0.4,
            other_probability=0.5,
        )
        add(
            connection,
            "review_leases",
            photo_id=2,
            user_id=1,
            queue="q",
            position=0,
            until="2026-02-03",
        )
    upgrade(revision="0019")
    columns = "id, photo_id, position, x, y, width, height, found_by, ground_truth, outcome"
    assert rows(f"SELECT {columns} FROM cars ORDER BY id") == [  # noqa: S608
        (1, 1, 0, 0.0, 0.0, 1.0, 1.0, "whole", None, "unlabelled"),
        (2, 2, 0, 0.0, 0.0, 1.0, 1.0, "whole", "bwt", "correct"),
    ]
    assert rows("SELECT count(DISTINCT public_id) FROM cars WHERE length(public_id) = 18") == [2]
    for table in ("label_events", "audit_cars", "suspicions", "review_leases"):
        assert rows(f"SELECT car_id FROM {table}") == [2]  # noqa: S608
    assert rows("SELECT car_id, photo_id FROM predictions") == [(2, 2)]
    assert rows("SELECT car_count, detector_version FROM photos") == [(None, None)] * 2
    downgrade(revision="0018")
    for table in ("label_events", "audit_photos", "suspicions", "review_leases", "predictions"):
        assert rows(f"SELECT photo_id FROM {table}") == [2]  # noqa: S608


def test_an_earlier_release_keeps_what_is_known_of_main_cars(empty_app: Flask) -> None:
    upgrade(revision="0019")
    state = {"found_by": "person", "outcome": "unlabelled", "created_at": "2026-01-01"}
    box = {"x": 0, "y": 0, "width": 0.5, "height": 1}
    event = {"photo_ref": "p1", "who": "Anna", "why": "", "batch": "b", "place": "photo"}
    with db.engine.begin() as connection:
        add_photo(connection, 1, **MIRRORED | {"ground_truth": "no-car", "outcome": "no-car"})
        for number, main in ((5, 1), (6, 0)):
            names = {"id": number, "public_id": f"c{number}", "photo_id": 1, "position": 1 - main}
            add(connection, "cars", **names, **box, **state)
            answer = PREDICTION | {"version": 1, "shown": True, "current": True}
            numbers = {"car_id": number, "photo_id": 1 if main else None}
            add(connection, "predictions", outcome="no-car", **numbers, **answer)
            said = {"car_id": number, "to_label": "no-car", "created_at": "2026-01-02"}
            add(connection, "label_events", **event, **said)
    downgrade(revision="0018")
    assert rows("SELECT photo_id, outcome FROM predictions") == [(1, "unusable")]
    assert rows("SELECT photo_id, to_label FROM label_events ORDER BY id") == [
        (1, "unusable"),
        (None, "unusable"),
    ]
    assert rows("SELECT ground_truth, outcome FROM photos") == [("unusable", "unusable")]
