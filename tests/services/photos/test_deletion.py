"""Photos are forgotten: out of sight at once, for good after a week, and never half."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.conftest import draw
from tests.fakes import FolderFiles
from webapp.domain import LogFilter, Who
from webapp.errors import BadRequestError, NotAllowedError, PhotoDeletedError, PhotoNotFoundError
from webapp.extensions import get_extensions, get_files, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.exports.run import ExportRun
from webapp.services.labels import log as label_log
from webapp.services.labels.undo import undo_batch
from webapp.services.photos import deletion
from webapp.services.photos import gallery as history
from webapp.storage.database import db, writing
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import photos
from webapp.storage.photos.pages import count_by_outcome
from webapp.storage.tables import File, LabelEvent, Photo, Thumbnail, now

ANNA = Who("Anna")
SOON = timedelta(days=8)
Upload = Callable[..., str]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def folder(app: Flask, tmp_path: Path) -> FolderFiles:
    """The bytes lie in a real folder."""
    files = FolderFiles(tmp_path / "files")
    get_extensions().files = files
    return files


def delete(public_id: str) -> None:
    deletion.delete_photo(public_id, who=ANNA, admin=True)


def change(public_id: str, **values: object) -> None:
    with writing():
        db.session.execute(update(Photo).where(Photo.public_id == public_id).values(**values))


def count(table: type) -> int:
    return db.session.execute(select(func.count()).select_from(table)).scalar_one()


def shown() -> list[str]:
    return [photo.public_id for photo in history.gallery_page(GalleryFilter()).items]


# ---- out of sight ----


def test_a_deleted_photo_is_in_no_list(upload: Upload) -> None:
    public_id, other = upload(ground_truth="haas"), upload(mark=1)
    delete(public_id)
    latest = photos.latest_photo()
    assert shown() == [other] and latest is not None and latest.public_id == other
    assert (
        count_by_outcome(GalleryFilter())["all"].number == 1
        and photos.latest_checked_photo_of_each_label() == {}
    )
    order = ExportOrder(FORMATS["csv"], GalleryFilter(), base_url="")
    records = ExportRun(order, get_tools()).records(0)
    assert [record.row.public_id for record in records] == [other]


def test_its_pictures_are_gone_too(upload: Upload) -> None:
    public_id = upload()
    delete(public_id)
    with pytest.raises(PhotoNotFoundError):
        history.thumbnail(public_id)
    with pytest.raises(PhotoDeletedError):
        history.view(public_id, files=get_files(), limiter=get_extensions().limiter)


def test_it_comes_back_as_it_was(upload: Upload) -> None:
    public_id = upload(ground_truth="haas")
    delete(public_id)
    deletion.restore_photo(public_id, admin=True)
    assert (
        history.get_photo(public_id).ground_truth == "haas"
        and len(history.get_details(public_id).events) == 1
    )


def test_the_same_file_sent_again_brings_it_back(client, upload: Upload) -> None:
    public_id = upload(ground_truth="haas")
    delete(public_id)
    answer = client.post("/api/v1/photos", data={"file": (io.BytesIO(draw()), "again.jpg")})
    assert answer.json["id"] == public_id and answer.json["duplicate"] is True


def test_a_star_protects(upload: Upload) -> None:
    public_id = upload()
    change(public_id, starred=True)
    with pytest.raises(NotAllowedError, match="star"):
        delete(public_id)
    assert shown() == [public_id]


def test_only_who_may_brings_it_back(upload: Upload) -> None:
    public_id = upload()
    delete(public_id)
    with pytest.raises(PhotoNotFoundError):
        deletion.restore_photo(public_id, admin=False, token="wrong")


def test_after_the_time_of_grace_nothing_comes_back(upload: Upload) -> None:
    public_id = upload()
    delete(public_id)
    change(public_id, deleted_at=now() - SOON)
    with pytest.raises(PhotoNotFoundError, match="nothing to bring back"):
        deletion.restore_photo(public_id, admin=True)


# ---- for good ----


def test_a_purge_waits_for_the_time_of_grace(upload: Upload) -> None:
    delete(upload())
    assert deletion.purge(files=get_files()) == 0 and count(Photo) == 1


def test_a_purge_leaves_a_line_in_the_log_and_nothing_else(upload: Upload) -> None:
    public_id = upload(ground_truth="haas")
    delete(public_id)
    assert deletion.purge(files=get_files(), before=now() + SOON) == 1
    assert (count(Photo), count(Thumbnail), count(File), count(LabelEvent)) == (0, 0, 0, 2)
    farewell = label_log.page_of_log(LogFilter())[0][0]
    assert (farewell.place, farewell.photo_ref, farewell.from_label, farewell.who) == (
        "delete",
        public_id,
        "haas",
        "Anna",
    )
    with pytest.raises(PhotoNotFoundError):
        history.get_photo(public_id)


def test_a_purge_takes_any_number(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "CHUNK", 2)
    for number in range(5):
        delete(upload(mark=number))
    assert deletion.purge(files=get_files(), before=now() + SOON) == 5 and count(File) == 0


def test_a_crash_between_row_and_file_leaves_a_file_that_the_sweep_removes(
    folder: FolderFiles, upload: Upload, monkeypatch
) -> None:
    delete(upload())
    kept = upload(mark=1)

    def power_cut(_sha256: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "delete", power_cut)
    with pytest.raises(KeyboardInterrupt):
        deletion.purge(files=folder, before=now() + SOON)
    monkeypatch.undo()
    assert count(Photo) == 1 and deletion.count_orphans(files=folder) == (1, 0)
    assert deletion.sweep(files=folder) == 1
    assert list(folder.names()) == [hashlib.sha256(draw(mark=1)).hexdigest()] and shown() == [kept]


def test_a_file_that_came_again_is_not_removed(folder: FolderFiles, upload: Upload) -> None:
    delete(upload())
    (sha256,) = deletion._remove_rows(now() + SOON)
    upload()
    assert deletion._remove_files([sha256], folder) == 0 and folder.get(sha256) == draw()


def test_a_photo_without_its_file_is_found(folder: FolderFiles, upload: Upload) -> None:
    upload()
    folder.delete(hashlib.sha256(draw()).hexdigest())
    assert deletion.count_orphans(files=folder) == (0, 1)


def test_a_sweep_leaves_photos_that_wait_alone(folder: FolderFiles, upload: Upload) -> None:
    delete(upload())
    assert deletion.sweep(files=folder) == 0


# ---- a retention rule ----


def age(public_id: str, days: int) -> datetime:
    moment = now() - timedelta(days=days)
    change(public_id, created_at=moment)
    return moment


def test_each_class_keeps_its_newest(upload: Upload) -> None:
    orange = [upload(mark=number) for number in range(3)]
    red = upload("#C00000", mark=9)
    assert deletion.surplus(1, timedelta(0)).classes["mclaren"][:2] == (3, 2)
    assert deletion.apply_rule(1, timedelta(0), who=ANNA).changed == 2
    assert shown() == [red, orange[2]]


def test_labelled_and_starred_photos_never_go_and_count_first(upload: Upload) -> None:
    labelled, starred, plain = upload(ground_truth="mclaren"), upload(mark=1), upload(mark=2)
    change(starred, starred=True)
    assert deletion.apply_rule(2, timedelta(0), who=ANNA).changed == 1
    assert shown() == [starred, labelled] and plain not in shown()
    assert deletion.apply_rule(0, timedelta(0), who=ANNA).changed == 0


def test_a_rule_that_was_applied_is_taken_back_as_one(upload: Upload) -> None:
    ids = [upload(mark=number) for number in range(3)]
    done = deletion.apply_rule(1, timedelta(0), who=ANNA)
    assert undo_batch(done.batch, Stamp(ANNA, "undo")).changed == 2 and shown() == ids[::-1]


def test_a_class_is_what_a_person_said(upload: Upload) -> None:
    upload(ground_truth="haas"), upload(mark=1)
    assert {name: line[0] for name, line in deletion.surplus(5, timedelta(0)).classes.items()} == {
        "haas": 1,
        "mclaren": 1,
    }


def test_young_photos_stay(upload: Upload) -> None:
    old, young = upload(), upload(mark=1)
    age(old, 100)
    assert deletion.apply_rule(0, deletion.parse_age("90d"), who=ANNA).changed == 1
    assert shown() == [young]


def test_looking_deletes_nothing(upload: Upload) -> None:
    upload()
    assert deletion.surplus(0, timedelta(0)).photos == 1 and len(shown()) == 1


@pytest.mark.parametrize(
    ("text", "days"), [("90", 90), ("90d", 90), ("2w", 14), (" 1Y ", 365), ("0d", 0)]
)
def test_an_age_is_a_number_with_a_unit(text: str, days: int) -> None:
    assert deletion.parse_age(text) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "d", "-1", "1.5d", "ninety", "9999999", "٣d"])
def test_an_age_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError):
        deletion.parse_age(text)
