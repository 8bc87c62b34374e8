"""Real workers as processes of their own: killed in the middle, cancelled, ended calmly."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import ROOT, draw, settings_of
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import Who
from webapp.extensions import get_classifier
from webapp.gallery_filter import GalleryFilter
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types import upload as upload_job
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos.spool import Spool
from webapp.storage.database import db, end_reading
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import JobPart, JobWorker, Photo, now

WHO, ANNA, EVERYBODY = Who("Anna"), Owner("user:1"), Owner("user:2", all=True)
PATIENCE = 60
BREATH = threading.Event()


class Workers:
    """Starts worker processes on one data folder, and enqueues uploads for them."""

    def __init__(self, app: Flask, config: Config) -> None:
        self.app = app
        self.data = config.data
        self._env = {"PATH": os.environ["PATH"], **settings_of(config)}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "ignore", "-m", "webapp.worker", "--threads", "1"]
        self.processes.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._env,
                stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        )
        return self.processes[-1]

    def enqueue(self, photos: int) -> str:
        content, job_id = io.BytesIO(), jobs.new_id()
        with zipfile.ZipFile(content, "w") as archive:
            for mark in range(photos):
                archive.writestr(
                    f"photo {mark}.png", draw(size=(400, 300), mark=mark * 5, format="PNG")
                )
        content.seek(0)
        Spool(self.data, job_id).add_zip(content)
        asked = upload_job.make_params([], "f1-teams")
        sender = Sender(ANNA, WHO)
        jobs.enqueue(upload_job.JOB_TYPE, asked, "photos.zip", sender, public_id=job_id)
        return job_id

    def see(self, job_id: str) -> JobView:
        end_reading()
        return jobs.get_job(job_id, EVERYBODY)

    def wait(self, job_id: str, until: Callable[[JobView], bool]) -> JobView:
        """Until the job is so."""
        deadline = time.monotonic() + PATIENCE
        while not until(view := self.see(job_id)):
            assert time.monotonic() < deadline, (
                f"{view.state}, {view.progress}, {[line.text for line in jobs.log_lines(view)]}"
            )
            BREATH.wait(0.1)  # the workers need the processor too
        return view


@pytest.fixture
def workers(config: Config) -> Iterator[Workers]:
    yield from begin(config.model_copy(update={"models": ROOT / "models"}))


def begin(settings: Config) -> Iterator[Workers]:
    app = create_app(settings)
    with app.app_context():
        db.create_all()
        several = Workers(app, settings)
        yield several
        for process in several.processes:
            process.kill()
            process.wait()
        db.session.remove()
        db.engine.dispose()


def over(view: JobView) -> bool:
    return view.over


def begun(view: JobView) -> bool:
    return view.progress.done >= 5


def forget_the_lease() -> None:
    """As if the time of the killed worker's lease were over."""
    db.session.query(JobPart).filter(JobPart.state == "running").update(
        {"lease_until": now() - timedelta(seconds=1)}
    )
    db.session.commit()


def test_a_worker_killed_in_the_middle_loses_and_repeats_nothing(workers: Workers) -> None:
    job_id = workers.enqueue(60)
    first = workers.start()
    workers.wait(job_id, begun)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert workers.see(job_id).state == "running"
    forget_the_lease()
    workers.start()
    view = workers.wait(job_id, over)
    assert view.state == "succeeded", view.job.error
    assert view.job.result == {"added": 60, "known": 0, "skipped": 0, "refused": 0, "strange": {}}
    assert db.session.query(Photo).filter(Photo.batch == job_id).count() == 60
    assert view.progress.done == view.progress.total == 60


def test_an_idle_worker_finds_a_new_job_soon(workers: Workers) -> None:
    workers.start()
    while not db.session.query(JobWorker).count():
        end_reading()
        BREATH.wait(0.1)
    job_id = workers.enqueue(1)
    view = workers.wait(job_id, over)
    assert (view.job.started_at - view.job.created_at).total_seconds() < 1.5


def test_a_cancelled_job_stops_soon_and_keeps_what_it_did(workers: Workers) -> None:
    job_id = workers.enqueue(200)
    workers.start()
    workers.wait(job_id, begun)
    asked = time.monotonic()
    jobs.cancel_job(job_id, ANNA, WHO)
    view = workers.wait(job_id, over)
    assert view.state == "cancelled"
    assert time.monotonic() - asked < 10
    assert 5 <= db.session.query(Photo).count() < 200


def test_a_worker_that_is_ended_calmly_gives_its_part_back(workers: Workers) -> None:
    job_id = workers.enqueue(200)
    first = workers.start()
    workers.wait(job_id, begun)
    first.terminate()
    assert first.wait(PATIENCE) == 0
    assert workers.see(job_id).state == "running"
    assert db.session.query(JobPart).filter(JobPart.state == "running").count() == 0
    assert db.session.query(JobPart.attempts).filter(
        JobPart.state == "queued"
    ).distinct().all() == [(0,)]


def test_two_workers_share_a_job(workers: Workers) -> None:
    workers.start()
    workers.start()
    while db.session.query(JobWorker).count() < 2:
        end_reading()
        BREATH.wait(0.1)
    job_id = workers.enqueue(200)
    owners: set[str] = set()
    while not over(workers.see(job_id)):
        BREATH.wait(0.02)
        owners |= {
            row[0].rpartition("/")[0]
            for row in db.session.query(JobPart.owner).filter(JobPart.state == "running")
        }
    assert len(owners) == 2
    assert workers.see(job_id).job.result["added"] == 200


def test_the_worker_loads_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import webapp.worker, sys; heavy = ('tensorflow', 'keras', 'webapp.training.');"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"MARQUE_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_worker_makes_an_export_that_is_whole(workers: Workers) -> None:
    workers.start()
    workers.wait(workers.enqueue(3), over)
    order = ExportOrder(
        FORMATS["folders"], GalleryFilter(ground_truth="none"), base_url="http://marque"
    )
    job = export_job.enqueue(order, workers.data, Sender(ANNA, WHO))
    assert workers.wait(job.public_id, over).job.result["photos"] == 0
    for public_id in [photo.public_id for photo in db.session.query(Photo)]:
        relabel_photo(public_id, "none", [get_classifier().card], Stamp(WHO, "photo"))
    job = export_job.enqueue(order, workers.data, Sender(ANNA, WHO))
    view = workers.wait(job.public_id, over)
    path, _type, sha256 = export_job.file_of(
        view, view.job.result["files"][0]["name"], workers.data, admin=False
    )
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert sum(name.startswith("none/") for name in archive.namelist()) == 3


def test_a_worker_does_what_the_earlier_routes_were_asked(workers: Workers) -> None:
    client = workers.app.test_client()
    stored = client.post(
        "/api/upload", data={"file": (io.BytesIO(draw(size=(400, 300))), "car.jpg")}
    ).json
    workers.start()
    while db.session.query(JobWorker).count() < 1:
        end_reading()
        BREATH.wait(0.1)
    asked = client.post(f"/api/predict?img_id={stored['id']}&device=cpu").json
    assert asked["data"]["status"] == "PENDING"
    workers.wait(asked["data"]["task_id"], over)
    assert client.get(f"/api/tasks/{asked['data']['task_id']}").json["data"]["status"] == "SUCCESS"
    assert client.get(f"/api/images/{stored['id']}").json["data"]["predictions"]
