"""Many photos at once: counted exactly, labelled by their folders, each trouble with its file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from tests.conftest import draw
from tests.fakes import FakeClassifier
from webapp.domain import SHORT, Who
from webapp.errors import (
    BadArchiveError,
    BadRequestError,
    JobNotFoundError,
    JobRefusedError,
    StorageFullError,
    UnknownLabelError,
)
from webapp.extensions import get_config, get_extensions, get_tools
from webapp.services.jobs import parts, worker
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.upload import JOB_TYPE, UploadOrder
from webapp.services.jobs.worker import Worker
from webapp.services.photos import spool
from webapp.services.photos.classify import Incoming
from webapp.services.photos.spool import Spool
from webapp.storage.database import db, end_reading
from webapp.storage.tables import Photo

ANNA = Owner("user:1")


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def zip_of(members: dict[str, bytes]) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, item in members.items():
            archive.writestr(name, item)
    content.seek(0)
    return content


def order(**changes: object) -> UploadOrder:
    classifiers = get_extensions().classifiers("")
    asked = upload_job.make_params(classifiers, "", **changes)  # type: ignore[arg-type]
    return UploadOrder(asked, "photos.zip", Sender(ANNA, Who("Anna")))


def send(members: dict[str, bytes], **changes: object) -> str:
    return upload_job.enqueue_zip(get_config().data, zip_of(members), order(**changes)).public_id


def run_jobs(app: Flask, job_id: str) -> JobView:
    Worker({"upload": JOB_TYPE}, get_tools, app.app_context).run_queue(SHORT)
    end_reading()
    return jobs.get_job(job_id, ANNA)


def truths() -> dict[str, str | None]:
    return {item.filename: item.ground_truth for item in db.session.query(Photo)}


def test_every_file_is_accounted_for(app: Flask) -> None:
    once = draw(mark=1)
    view = run_jobs(
        app,
        send(
            {
                "a.jpg": once,
                "b/a.jpg": draw(mark=2),
                "again.jpg": once,
                "words.txt": b"hello",
                "bad.jpg": draw()[:200],
            }
        ),
    )
    assert view.job.result == {"added": 2, "known": 1, "skipped": 1, "refused": 1, "strange": {}}
    assert (view.state, view.progress.done, view.progress.total, view.progress.failed) == (
        "succeeded",
        5,
        5,
        1,
    )
    lines = upload_job.left_out(jobs.part_results(view))
    assert [line[:2] for line in lines] == [["words.txt", "skipped"], ["bad.jpg", "refused"]]


def test_photos_that_are_here_already_are_not_new(app: Flask) -> None:
    run_jobs(app, send({"a.jpg": draw()}))
    assert run_jobs(app, send({"b.jpg": draw()})).job.result["known"] == 1
    assert db.session.query(Photo).count() == 1


def test_a_part_that_is_done_twice_counts_once(app: Flask) -> None:
    job_id = send({f"{mark}.jpg": draw(mark=mark) for mark in range(3)})
    for _ in range(2):  # the plan, then the only part, of which nobody hears that it is through
        claim = parts.claim_part({"upload": JOB_TYPE}, "w1")
        assert claim
        item = parts.running_job(claim, get_tools(), lambda: False)
        if claim.part.role == "plan":
            parts.end_part(claim, JOB_TYPE, item, list(JOB_TYPE.plan(item)))
        else:
            upload_job.JOB_TYPE.do(item)
            parts.put_back(claim, item)
    assert run_jobs(app, job_id).job.result["added"] == 3


def test_folders_are_labels_when_asked(app: Flask) -> None:
    members = {
        "all/McLaren/a.jpg": draw(mark=1),
        "all/ferrari/b.jpg": draw(mark=2),
        "all/misc/c.jpg": draw(mark=3),
        "d.jpg": draw(mark=4),
        "misc/notes.txt": b"words",
    }
    view = run_jobs(app, send(members, folders=True))
    assert truths() == {"a.jpg": "mclaren", "b.jpg": "ferrari", "c.jpg": None, "d.jpg": None}
    assert view.job.result["strange"] == {"misc": 1, "": 1}


def test_folders_are_not_labels_when_not_asked(app: Flask) -> None:
    run_jobs(app, send({"ferrari/a.jpg": draw()}))
    assert truths() == {"a.jpg": None}


def test_one_ground_truth_is_for_all(app: Flask) -> None:
    run_jobs(app, send({"a.jpg": draw(mark=1), "b.jpg": draw(mark=2)}, ground_truth="haas"))
    assert set(truths().values()) == {"haas"}


def test_a_ground_truth_that_is_no_label_is_refused() -> None:
    with pytest.raises(UnknownLabelError):
        order(ground_truth="zeppelin")


def test_names_of_any_script_are_kept(app: Flask) -> None:
    run_jobs(app, send({"фото/Лада 🏎.jpg": draw()}))
    assert list(truths()) == ["Лада 🏎.jpg"]


def test_the_zip_goes_when_the_job_has_ended(app: Flask) -> None:
    job_id = send({"a.jpg": draw()})
    assert Spool(get_config().data, job_id).zips()
    run_jobs(app, job_id)
    worker.clear_ended({"upload": JOB_TYPE}, get_tools)
    assert not (get_config().data / "spool" / job_id).exists()


def test_a_zip_that_disappeared_is_said(app: Flask) -> None:
    job_id = send({"a.jpg": draw()})
    Spool(get_config().data, job_id).clear()
    assert "send it again" in run_jobs(app, job_id).job.error


def test_an_empty_zip_succeeds_with_nothing(app: Flask) -> None:
    assert upload_job.summary(run_jobs(app, send({})).job.result or {}) == "0 photos are new."


def test_groups_of_files_are_one_job(app: Flask) -> None:
    data, job_id = get_config().data, jobs.new_id()
    for group in (1, 2, 2):  # the second came twice: its answer was lost
        files = [
            Incoming(f"g{group}/{number}.jpg", draw(mark=10 * group + number))
            for number in range(3)
        ]
        Spool(data, job_id).add_photos(files, group)
    upload_job.enqueue_spool(Spool(data, job_id), order())
    assert run_jobs(app, job_id).job.result["added"] == 6


def test_nothing_is_put_in_for_nothing() -> None:
    with pytest.raises(BadRequestError, match="No file"):
        upload_job.enqueue_spool(Spool(get_config().data, jobs.new_id()), order())


def test_a_full_disk_refuses_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "RESERVE", 2**62)
    with pytest.raises(StorageFullError, match="no room"):
        send({"a.jpg": draw()})
    assert not list(get_config().data.glob("spool/*/*"))


def test_a_disk_that_fills_up_fails_the_job_and_says_so(
    app: Flask, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_pixels: object) -> None:
        raise StorageFullError("The server's disk is full or cannot be written.")

    job_id = send({"a.jpg": draw()})
    monkeypatch.setattr(classifier, "predict", full)
    view = run_jobs(app, job_id)
    assert (view.state, "disk is full" in view.job.error) == ("failed", True)
    assert Spool(get_config().data, job_id).zips()  # so that it can go on


def test_one_strange_file_does_not_keep_the_others_out(
    app: Flask,
    classifier: FakeClassifier,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = classifier.predict

    def odd(pixels: object) -> object:
        if classifier.ranked_photos == 1:
            classifier.ranked_photos += 1
            raise ZeroDivisionError
        return real(pixels)  # type: ignore[arg-type]

    monkeypatch.setattr(classifier, "predict", odd)
    view = run_jobs(app, send({f"{mark}.jpg": draw(mark=mark) for mark in range(3)}))
    assert (view.job.result["added"], view.job.result["refused"]) == (2, 1)


def test_what_is_no_zip_leaves_nothing() -> None:
    with pytest.raises(BadArchiveError):
        upload_job.enqueue_zip(get_config().data, io.BytesIO(b"hello"), order())
    assert not list(get_config().data.glob("spool/*/*"))


VISITOR = Owner("browser:b1")


def test_a_visitor_may_send_less_than_people() -> None:
    assert spool.allowance_of(VISITOR) == spool.allowance_of(Owner("")) == spool.VISITORS
    assert spool.allowance_of(ANNA) == spool.allowance_of(Owner("key:1")) == spool.PEOPLE


def test_too_many_files_of_a_visitor_are_refused_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "VISITORS", replace(spool.VISITORS, files=2))
    three = {f"{mark}.jpg": b"x" for mark in range(3)}
    with pytest.raises(BadArchiveError, match="Nothing was stored: log in"):
        upload_job.enqueue_zip(
            get_config().data, zip_of(three), replace(order(), sender=Sender(VISITOR, Who("Anna")))
        )
    assert not list(get_config().data.glob("spool/*"))


def test_groups_that_are_too_large_together_are_refused_and_forgotten() -> None:
    small = replace(spool.VISITORS, bytes=2000)
    waiting = Spool(get_config().data, jobs.new_id(), small)
    waiting.add_photos([Incoming("a.jpg", b"x" * 1000)], 1)
    waiting.add_photos([Incoming("a.jpg", b"x" * 1000)], 1)  # the same group again counts once
    with pytest.raises(BadArchiveError, match="Nothing was stored"):
        waiting.add_photos([Incoming("b.jpg", b"x" * 1000)], 2)
    assert not waiting.zips()


def test_nothing_is_added_to_a_job_that_was_put_in() -> None:
    job_id = send({"a.jpg": draw()})
    with pytest.raises(JobRefusedError, match="complete already"):
        Spool(get_config().data, job_id).check_open()


def test_nothing_is_kept_under_a_name_that_somebody_made_up() -> None:
    with pytest.raises(JobNotFoundError):
        Spool(get_config().data, "abcdefgh12345678").check_open()


@pytest.mark.parametrize("job_id", ["../../etc", "a/b", "", "x" * 40])
def test_a_name_that_is_none_of_ours_is_not_a_folder(job_id: str) -> None:
    with pytest.raises(Exception, match="Nothing can be stored"):
        Spool(get_config().data, job_id).add_zip(zip_of({}))
