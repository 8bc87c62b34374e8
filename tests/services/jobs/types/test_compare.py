"""Two versions look at the newest photos, and what they answer differently becomes a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier, make_card
from webapp.config import Config
from webapp.domain import SHORT, Who
from webapp.errors import BadRequestError, ModelNotFoundError
from webapp.extensions import get_registry, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.types import compare as compare_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.photos import gallery as history
from webapp.storage.database import end_reading

EVERYBODY = Owner("user:1", all=True)
Upload = Callable[..., str]


@pytest.fixture
def challenger() -> FakeClassifier:
    return FakeClassifier(make_card(2))


@pytest.fixture
def others(challenger: FakeClassifier) -> list[FakeClassifier]:
    return [challenger]


@pytest.fixture(autouse=True)
def context(app: Flask, config: Config) -> Iterator[None]:
    (config.models / "f1-teams" / "LIVE").write_text("1\n")
    with app.app_context():
        yield


def put(champion: int = 1, challenger: int = 2, newest: int = 2_000) -> str:
    wanted = compare_job.ComparisonOrder("f1-teams", champion, challenger, newest)
    sender = Sender(EVERYBODY, Who("Anna"))
    return compare_job.enqueue(get_registry(), wanted, sender).public_id


def run_jobs(app: Flask, job_id: str) -> JobView:
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    end_reading()
    return jobs.get_job(job_id, EVERYBODY)


def of_job(job_id: str) -> set[str]:
    """The photos that the gallery shows for a comparison."""
    return {photo.public_id for photo in history.gallery_page(GalleryFilter(compared=job_id)).items}


def test_what_differs_is_found_again_by_the_job(
    app: Flask, upload: Upload, challenger: FakeClassifier
) -> None:
    same, other = upload("#C00000", mark=1), upload("#FF8700", mark=2)
    challenger.says(ferrari=0.9)
    job_id = put()
    view = run_jobs(app, job_id)
    assert view.job.result == {
        "model": "f1-teams", "champion": 1, "challenger": 2,
        "photos": 2, "gone": 0, "differ": 1, "unlabelled": 1,
    }  # fmt: skip
    assert of_job(job_id) == {other} and same not in of_job(job_id)
    assert compare_job.summary(view.job.result) == (
        "Versions 1 and 2 give different answers to 1 of 2 photos, "
        "all of these without a ground truth."
    )


def test_only_the_newest_are_looked_at_and_nothing_changes_for_others(
    app: Flask, upload: Upload, challenger: FakeClassifier
) -> None:
    first, *_rest = [upload(mark=mark) for mark in range(3)]
    challenger.says(ferrari=0.9)
    run_jobs(app, put(newest=2))
    assert challenger.ranked_photos == 2
    assert history.get_photo(first).prediction.version == 1


def test_older_photos_with_a_ground_truth_are_looked_at_too(
    app: Flask, client: FlaskClient, key: dict[str, str], upload: Upload, challenger: FakeClassifier
) -> None:
    first, *_rest = [upload(mark=mark) for mark in range(3)]
    client.put(f"/api/v1/photos/{first}/ground-truth", json={"label": "haas"}, headers=key)
    view = run_jobs(app, put(newest=1))
    assert (view.progress.total, challenger.ranked_photos) == (2, 2)


def test_nobody_is_asked_twice_and_it_comes_out_the_same(
    app: Flask, upload: Upload, challenger: FakeClassifier
) -> None:
    upload()
    challenger.says(ferrari=0.9)
    first, again = run_jobs(app, put()), run_jobs(app, put())
    assert challenger.ranked_photos == 1 and first.job.result == again.job.result


def test_versions_that_agree_leave_nothing_to_review(app: Flask, upload: Upload) -> None:
    upload(mark=1), upload(mark=2)
    view = run_jobs(app, put())
    assert "the same answer to all 2 photos" in compare_job.summary(view.job.result or {})


def test_an_empty_history_has_nothing_to_compare(app: Flask) -> None:
    assert "no photo" in compare_job.summary(run_jobs(app, put()).job.result or {})


def test_an_unknown_job_shows_no_photo(upload: Upload) -> None:
    upload()
    assert of_job("nothing") == set()


def test_the_last_comparison_of_a_pair_is_known(app: Flask) -> None:
    assert compare_job.last("f1-teams", 1, 2) is None
    job_id = put()
    put(2, 1)
    view = compare_job.last("f1-teams", 1, 2)
    assert view and view.job.public_id == job_id


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadRequestError):
        put(1, 1)
    with pytest.raises(BadRequestError):
        put(newest=0)
    with pytest.raises(ModelNotFoundError):
        put(1, 9)
