"""`flask photos purge|keep`, and what prepare and doctor make of deleted photos."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import update

from tests.conftest import draw
from webapp.domain import Who
from webapp.extensions import get_files
from webapp.gallery_filter import GalleryFilter
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.storage.database import db, writing
from webapp.storage.tables import Photo, now

Upload = Callable[..., str]


def delete_long_ago(app: Flask, public_id: str) -> None:
    with app.app_context():
        deleting.delete_photo(public_id, who=Who("Anna"), admin=True)
        with writing():
            db.session.execute(
                update(Photo)
                .where(Photo.public_id == public_id)
                .values(deleted_at=now() - timedelta(days=8))
            )


def left(app: Flask) -> int:
    with app.app_context():
        return len(history.gallery_page(GalleryFilter()).items)


def test_a_purge_says_what_it_removed(app: Flask, runner: FlaskCliRunner, upload: Upload) -> None:
    delete_long_ago(app, upload())
    with app.app_context(), writing():
        get_files().put("0" * 64, b"nobody's")
    assert (
        runner.invoke(args=["photos", "purge"]).output
        == "1 photos removed for good, 1 files that belonged to none.\n"
    )


def test_doctor_reports_files_without_a_photo(
    app: Flask, runner: FlaskCliRunner, upload: Upload
) -> None:
    upload()
    assert "every photo has its own" in runner.invoke(args=["doctor"]).output
    with app.app_context(), writing():
        get_files().put("0" * 64, b"nobody's")
    assert (
        "1 belong to no photo: flask photos purge removes them"
        in runner.invoke(args=["doctor"]).output
    )


def test_doctor_complains_about_a_photo_without_its_file(
    app: Flask, runner: FlaskCliRunner, upload: Upload
) -> None:
    public_id = upload()
    with app.app_context(), writing():
        get_files().delete(history.get_photo(public_id).sha256)
    assert "1 photos have no file" in runner.invoke(args=["doctor"]).output


def test_a_rule_is_only_looked_at_first(app: Flask, runner: FlaskCliRunner, upload: Upload) -> None:
    for number in range(3):
        upload(mark=number)
    text = runner.invoke(args=["photos", "keep", "--per-class", "1"]).output
    assert (
        f"mclaren\t3 photos\t2 go\t{2 * len(draw()) / 2**20:.1f} MB" in text
        and "Nothing was deleted" in text
    )
    assert left(app) == 3


def test_a_rule_is_applied_when_told(app: Flask, runner: FlaskCliRunner, upload: Upload) -> None:
    for number in range(3):
        upload(mark=number)
    assert (
        "2 photos deleted"
        in runner.invoke(args=["photos", "keep", "--per-class", "1", "--apply"]).output
    )
    assert left(app) == 1


@pytest.mark.parametrize(
    "options", [["--per-class", "many"], ["--per-class", "1", "--older-than", "long"]]
)
def test_a_rule_that_makes_no_sense_is_refused(runner: FlaskCliRunner, options: list[str]) -> None:
    assert runner.invoke(args=["photos", "keep", *options]).exit_code == 1
