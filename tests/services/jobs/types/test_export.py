"""Exports made in the data folder: pieces, one file, a manifest, the room they may take, and their
end."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from webapp.config import Config
from webapp.domain import Who
from webapp.errors import BadRequestError, JobNotFoundError, NotAllowedError, StorageFullError
from webapp.extensions import get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports import order as orders
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.jobs import parts, worker
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.storage.database import end_reading
from webapp.storage.tables import now

ANNA, WHO = Owner("user:1", all=True), Who("Anna")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_job, "_PIECE", 2)
    monkeypatch.setattr(orders, "ZIP_PHOTOS", 2)


@pytest.fixture
def photos(upload: Callable[..., str]) -> list[str]:
    return [
        upload(mark=mark, **({"ground_truth": "haas"} if mark < 3 else {})) for mark in range(5)
    ]


@pytest.fixture
def data(config: Config) -> Path:
    return config.data


def order(format: str = "csv", **more: Any) -> ExportOrder:
    plain = ExportOrder(FORMATS[format], GalleryFilter(), base_url="http://marque")
    return replace(plain, **more)


def enqueue(data: Path, wanted: ExportOrder) -> str:
    return export_job.enqueue(wanted, data, Sender(ANNA, WHO)).public_id


def run_jobs(app: Flask) -> None:
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue("short")


def done(app: Flask, data: Path, wanted: ExportOrder) -> JobView:
    job_id = enqueue(data, wanted)
    run_jobs(app)
    view = jobs.get_job(job_id, ANNA)
    assert view.state == "succeeded", view.job.error
    return view


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(view: JobView, data: Path, index: int = 0) -> bytes:
    path, _type, sha256 = export_job.file_of(
        view, view.job.result["files"][index]["name"], data, admin=False
    )
    stored = path.read_bytes()
    assert (hashlib.sha256(stored).hexdigest(), len(stored)) == (
        sha256,
        view.job.result["files"][index]["bytes"],
    )
    return stored


def test_pieces_become_one_table(app: Flask, data: Path, photos: list[str]) -> None:
    with app.app_context():
        view = done(app, data, order())
        rows = list(csv.DictReader(io.StringIO(content(view, data).decode())))
        assert [plain_cell(row["id"]) for row in rows] == photos
        assert view.job.result["classes"] == {"": 2, "haas": 3}
        assert names_in(export_job.folder_of(data, view.job.public_id)) == {
            view.job.result["files"][0]["name"],
            "manifest.json",
        }


@pytest.mark.parametrize("format", ["jsonl", "coco", "label-studio"])
def test_each_format_has_all_photos(app: Flask, data: Path, photos: list[str], format: str) -> None:
    with app.app_context():
        text = content(done(app, data, order(format)), data).decode()
    if format != "jsonl":
        json.loads(text)
    assert all(photo in text for photo in photos)


def test_photos_go_into_several_zips(app: Flask, data: Path, photos: list[str]) -> None:
    with app.app_context():
        view = done(app, data, order("folders"))
        names = [file["name"] for file in view.job.result["files"]]
        zips = [zipfile.ZipFile(io.BytesIO(content(view, data, index))) for index in range(2)]
    assert [name.partition("folders")[2] for name in names] == ["-1-of-2.zip", "-2-of-2.zip"]
    assert [sum(name.startswith("haas/") for name in archive.namelist()) for archive in zips] == [
        2,
        1,
    ]
    assert json.loads(zips[1].read("manifest.json"))["photos"] == 1
    assert view.job.result["left_out"] == {"unlabelled": 2}


def test_an_export_of_nothing_has_its_heading(app: Flask, data: Path) -> None:
    with app.app_context():
        assert content(done(app, data, order()), data).startswith(b"id,filename,")


def test_the_manifest_says_what_was_asked_and_what_there_is(
    app: Flask, data: Path, photos: list[str]
) -> None:
    with app.app_context():
        view = done(app, data, order("jsonl", wanted=GalleryFilter(ground_truth="haas")))
        path, content_type, _sha = export_job.file_of(view, "manifest.json", data, admin=False)
    manifest = json.loads(path.read_text())
    assert (content_type, manifest["filter"], manifest["photos"]) == (
        "application/json",
        {"ground_truth": "haas"},
        3,
    )
    assert manifest["files"] == view.job.result["files"]


def test_photos_that_come_meanwhile_are_not_in_it(
    app: Flask, data: Path, photos: list[str], upload: Callable[..., str]
) -> None:
    with app.app_context():
        job_id = enqueue(data, order("jsonl"))
        claim = parts.claim_part(JOB_TYPES, "w1")
        assert claim is not None
        parts.do_part(claim, JOB_TYPES["export"], get_tools())
    upload(mark=20)
    with app.app_context():
        run_jobs(app)
        assert jobs.get_job(job_id, ANNA).job.result["photos"] == 5


def test_a_piece_and_the_end_may_come_twice(app: Flask, data: Path, photos: list[str]) -> None:
    with app.app_context():
        job_id = enqueue(data, order())
        claims = []
        while claim := parts.claim_part(JOB_TYPES, "w1"):
            claims.append(claim)
            part = parts.running_job(claim, get_tools(), lambda: False)
            if claim.part.role == "do":
                export_job.JOB_TYPE.do(part)
            if claim.part.role == "finish":
                results = jobs.part_results(jobs.get_job(job_id, ANNA))
                again = export_job.JOB_TYPE.finish(part, results)
            parts.do_part(claim, JOB_TYPES["export"], get_tools())
        view = jobs.get_job(job_id, ANNA)
        assert view.state == "succeeded" and view.job.result["files"] == again["files"]
        assert content(view, data).count(b"\n") == 6


def test_it_goes_on_after_a_photo(app: Flask, data: Path, photos: list[str]) -> None:
    with app.app_context():
        lines = content(done(app, data, order("jsonl", after=photos[2])), data).splitlines()
        assert [json.loads(line)["id"] for line in lines] == photos[3:]
        with pytest.raises(BadRequestError, match="no photo"):
            enqueue(data, order(after="nothing"))


def test_its_files_go_after_some_days(app: Flask, data: Path, photos: list[str]) -> None:
    with app.app_context():
        view = done(app, data, order())
        worker.clear_ended(JOB_TYPES, get_tools)
        assert content(view, data)
        worker.clear_ended(JOB_TYPES, get_tools, now() + export_job.KEPT)
        view = jobs.get_job(view.job.public_id, ANNA)
        assert not export_job.folder_of(data, view.job.public_id).exists()
        with pytest.raises(JobNotFoundError, match="removed after 7 days"):
            export_job.file_of(view, "manifest.json", data, admin=True)


def test_a_cancelled_export_leaves_nothing(app: Flask, data: Path, photos: list[str]) -> None:
    with app.app_context():
        job_id = enqueue(data, order())
        for _ in range(2):
            claim = parts.claim_part(JOB_TYPES, "w1")
            assert claim is not None
            parts.do_part(claim, JOB_TYPES["export"], get_tools())
        assert names_in(export_job.folder_of(data, job_id)) == {"piece-000001"}
        jobs.cancel_job(job_id, ANNA, WHO)
        worker.clear_ended(JOB_TYPES, get_tools)
        assert not names_in(data / "exports")


def test_exports_have_their_share_of_the_disk(
    app: Flask, data: Path, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        job_id = enqueue(data, order())
        other = done(app, data, order())
        run_jobs(app)
        monkeypatch.setattr(export_job, "_QUOTA", 10)
        with pytest.raises(StorageFullError, match="Remove the files of another one"):
            enqueue(data, order())
        export_job.remove_files(other, data)
        export_job.remove_files(jobs.get_job(job_id, ANNA), data)
        enqueue(data, order())


def test_a_full_share_in_the_middle_fails_the_job_which_goes_on(
    app: Flask, data: Path, photos: list[str], monkeypatch
) -> None:
    with app.app_context():
        job_id = enqueue(data, order())
        monkeypatch.setattr(export_job, "_QUOTA", 10)
        run_jobs(app)
        assert "Exports take" in jobs.get_job(job_id, ANNA).job.error
        monkeypatch.setattr(export_job, "_QUOTA", 10**9)
        jobs.retry_job(job_id, ANNA, WHO)
        run_jobs(app)
        end_reading()
        assert jobs.get_job(job_id, ANNA).job.result["photos"] == 5


def test_photos_with_their_metadata_are_for_admins(
    app: Flask, data: Path, photos: list[str]
) -> None:
    with app.app_context():
        view = done(app, data, order("folders", keep_metadata=True))
        name = view.job.result["files"][0]["name"]
        assert export_job.file_of(view, name, data, admin=True)[1] == "application/zip"
        with pytest.raises(NotAllowedError):
            export_job.file_of(view, name, data, admin=False)


@pytest.mark.parametrize("name", ["../../marque.sqlite", "piece-000001", "", "..", ".x.part"])
def test_no_other_file_is_given_out(app: Flask, data: Path, photos: list[str], name: str) -> None:
    with app.app_context(), pytest.raises(JobNotFoundError):
        export_job.file_of(done(app, data, order()), name, data, admin=True)
