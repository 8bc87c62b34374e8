"""A version answers stored photos: in parts, twice without harm, for its model while live."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from tests.conftest import install
from tests.fakes import FakeClassifier, make_card
from webapp.config import Config
from webapp.domain import SHORT, Who
from webapp.errors import ModelNotFoundError
from webapp.extensions import get_registry, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.services.jobs import job_type
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.types import reclassify as reclassify_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.photos.bulk import Selection
from webapp.storage.database import db, end_reading
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.tables import Photo, Prediction

EVERYBODY = Owner("user:1", all=True)
Upload = Callable[..., str]


@pytest.fixture
def second() -> FakeClassifier:
    return FakeClassifier(make_card(2))


@pytest.fixture
def others(second: FakeClassifier) -> list[FakeClassifier]:
    return [second]


@pytest.fixture(autouse=True)
def context(app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Version 1 is live; parts have two photos."""
    monkeypatch.setattr(job_type, "LEAST_PART", 2)
    (config.models / "f1-teams" / "LIVE").write_text("1\n")
    with app.app_context():
        yield


def put(version: int = 2, wanted: GalleryFilter | None = None) -> str:
    selection = Selection(wanted=wanted or GalleryFilter())
    sender = Sender(EVERYBODY, Who("Anna"))
    return reclassify_job.enqueue(get_registry(), "f1-teams", version, selection, sender).public_id


def run_jobs(app: Flask) -> None:
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)


def see(job_id: str) -> JobView:
    end_reading()
    return jobs.get_job(job_id, EVERYBODY)


def answers(version: int) -> list[tuple[bool, bool]]:
    """Of each answer of a version whether it stands for its model, and whether it is shown."""
    end_reading()
    rows = db.session.execute(
        select(Prediction.current, Prediction.shown).where(Prediction.version == version)
    )
    return [(row[0], row[1]) for row in rows]


def test_a_version_that_is_not_live_looks_at_the_whole_history_aside(
    app: Flask, upload: Upload, second: FakeClassifier
) -> None:
    for mark in range(5):
        upload(mark=mark)
    view = work_and_see(app, put())
    parts = len(jobs.part_results(view))
    assert (view.progress.done, parts, second.ranked_photos) == (5, 3, 5)
    assert answers(2) == [(False, False)] * 5 and answers(1) == [(True, True)] * 5
    assert (
        "f1-teams 2 looked at 5 photos. Its answers are kept beside the model's."
        in reclassify_job.summary(view.job.result or {})
    )


def work_and_see(app: Flask, job_id: str) -> JobView:
    run_jobs(app)
    view = see(job_id)
    assert view.state == "succeeded", view.job.error
    return view


def test_the_live_versions_answers_become_the_ones_that_are_shown(
    app: Flask, config: Config, upload: Upload
) -> None:
    upload()
    (config.models / "f1-teams" / "LIVE").write_text("2\n")
    view = work_and_see(app, put())
    assert answers(2) == [(True, True)] and view.job.result and view.job.result["standing"]


def test_what_is_known_is_not_looked_at_again(
    app: Flask, upload: Upload, second: FakeClassifier
) -> None:
    upload(mark=1), upload(mark=2)
    work_and_see(app, put())
    upload(mark=3)
    result = work_and_see(app, put()).job.result or {}
    assert (result["looked"], result["known"], second.ranked_photos) == (1, 2, 3)


def test_only_what_passes_the_filter_is_looked_at(
    app: Flask, upload: Upload, second: FakeClassifier
) -> None:
    upload("#C00000"), upload("#FF8700")
    view = work_and_see(app, put(wanted=GalleryFilter(decision="ferrari")))
    assert (view.job.title, second.ranked_photos) == (
        "f1-teams 2 looks at photos with decision ferrari",
        1,
    )


def test_photos_that_come_meanwhile_are_left_alone(
    app: Flask, upload: Upload, second: FakeClassifier
) -> None:
    upload(mark=1)
    job_id = put()
    upload(mark=2)
    work_and_see(app, job_id)
    assert second.ranked_photos == 1


def test_a_photo_without_its_file_is_counted_and_named(app: Flask, upload: Upload) -> None:
    upload(name="gone.jpg"), upload(mark=2)
    DatabaseFiles().delete(
        db.session.execute(select(Photo.sha256).where(Photo.filename == "gone.jpg")).scalar_one()
    )
    db.session.commit()
    view = work_and_see(app, put())
    assert (view.job.result or {})["gone"] == view.progress.failed == 1
    assert any("gone.jpg: The stored file" in line.text for line in jobs.log_lines(view))


def test_an_empty_history_is_nothing_to_look_at(app: Flask) -> None:
    assert "nothing to look at" in reclassify_job.summary(work_and_see(app, put()).job.result or {})


def test_a_version_that_is_gone_fails_the_job_in_words(
    app: Flask, config: Config, upload: Upload
) -> None:
    install(make_card(3), config.models)
    upload()
    job_id = put(3)
    (config.models / "f1-teams" / "3" / "card.json").unlink()
    run_jobs(app)
    assert see(job_id).state == "failed" and "3" in see(job_id).job.error


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ModelNotFoundError):
        put(9)


def test_a_million_photos_are_cut_into_two_thousand_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    parts = job_type.parts_of(range(1_000_000))
    assert (len(parts), parts[-1]["total"], parts[-1]["photos"][-1]) == (2_000, 500, 999_999)
    assert [part["total"] for part in job_type.parts_of(range(50))] == [20, 20, 10]
