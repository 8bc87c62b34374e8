"""Ten threads upload, relabel, review and undo on one SQLite file: no event is lost."""

from __future__ import annotations

import io
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.conftest import draw
from tests.fakes import TEAMS, make_card
from webapp.domain import Who
from webapp.errors import NothingToUndoError
from webapp.services.accounts import users
from webapp.services.labels.undo import undo_batch
from webapp.services.photos.bulk import Selection, relabel_all
from webapp.services.review.queue import ReviewQueue, check_photo, lease_next, undo_last
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import LabelEvent, Photo

SECONDS = 3.0
LABELS = list(TEAMS)


class Crowd:
    """Threads that do something again and again.

    `events` counts what was acknowledged, `trouble` has the errors.
    """

    def __init__(self, app: Flask, photos: list[str], seconds: float) -> None:
        self.app = app
        self.photos = photos
        self.end = time.monotonic() + seconds
        self.events: Counter[str] = Counter()
        self.trouble: list[BaseException] = []
        self._lock = threading.Lock()

    def acknowledge(self, name: str, number: int = 1) -> None:
        with self._lock:
            self.events[name] += number

    def run(self, *works: Callable[[Crowd, int], None]) -> None:
        """One thread for each of these, until the time is over."""
        threads = [
            threading.Thread(target=self._repeat, args=(work, number))
            for number, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _repeat(self, work: Callable[[Crowd, int], None], number: int) -> None:
        while time.monotonic() < self.end and not self.trouble:
            with self.app.app_context():
                try:
                    work(self, number)
                except Exception as error:
                    self.trouble.append(error)


def send(crowd: Crowd, number: int) -> None:
    content = draw(f"#{number:02x}{random.randrange(2**16):04x}", mark=random.randrange(9000))
    data = {"file": (io.BytesIO(content), "car.jpg"), "ground_truth": LABELS[number]}
    answer = crowd.app.test_client().post("/api/v1/photos", data=data)
    assert answer.status_code in (200, 201), answer.text
    if answer.status_code == 201:
        crowd.acknowledge("uploads")
        crowd.acknowledge("events")


def relabel(crowd: Crowd, number: int) -> None:
    picked = Selection(ids=tuple(random.sample(crowd.photos, 3)))
    stamp = Stamp(Who(f"thread {number}"), "gallery")
    done = relabel_all(picked, random.choice(LABELS), [make_card()], stamp)
    crowd.acknowledge("events", done.changed)
    if done.changed and random.random() < 0.3:
        with suppress(NothingToUndoError):
            crowd.acknowledge(
                "events", undo_batch(done.batch, Stamp(Who(f"thread {number}"), "undo")).changed
            )


def look_through(crowd: Crowd, number: int) -> None:
    who = Who(f"reviewer {number}", number)
    queue = ReviewQueue("suspected")
    desk = lease_next(queue, who=who)
    public_id = desk.cars[0].photo.public_id if desk.cars else random.choice(crowd.photos)
    done = check_photo(public_id, random.choice(LABELS), queue=queue, cards=[make_card()], who=who)
    crowd.acknowledge("events", 1 if done.batch else 0)
    if random.random() < 0.3:
        with suppress(NothingToUndoError):
            undo_last(queue, who=who)
            crowd.acknowledge("events")


@pytest.fixture
def photos(upload: Callable[..., str]) -> list[str]:
    return [upload(mark=number) for number in range(20)]


def test_ten_threads_lose_nothing_and_nobody_is_turned_away(app: Flask, photos: list[str]) -> None:
    crowd = crowd_at_work(app, photos, SECONDS)
    assert crowd.trouble == []
    assert crowd.events["uploads"] > 0
    with app.app_context():
        assert (
            db.session.execute(select(func.count()).select_from(LabelEvent)).scalar()
            == crowd.events["events"]
        )
        assert db.session.execute(select(func.count()).select_from(Photo)).scalar() == crowd.events[
            "uploads"
        ] + len(photos)
        for photo in db.session.execute(select(Photo)).scalars():
            story = (
                db.session.execute(
                    select(LabelEvent)
                    .where(LabelEvent.car_id == photo.id)  # one car each
                    .order_by(LabelEvent.id)
                )
                .scalars()
                .all()
            )
            assert photo.ground_truth == (story[-1].to_label if story else None)
            assert [event.from_label for event in story] == [
                None,
                *(event.to_label for event in story),
            ][: len(story)]


def crowd_at_work(app: Flask, photos: list[str], seconds: float) -> Crowd:
    """Four threads upload, three relabel and three review."""
    with app.app_context():
        for number in range(10):
            users.create_user(f"reviewer {number}", password="long enough for this")
    crowd = Crowd(app, photos, seconds)
    crowd.run(*[send] * 4, *[relabel] * 3, *[look_through] * 3)
    return crowd
