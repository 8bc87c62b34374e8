"""`flask photos export`: files and folders that go on where they stopped, and what training makes
of them."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from tests.cars import LEFT, put_cars
from tests.conftest import draw
from tests.fakes import make_card
from webapp.domain import PERSON, Who
from webapp.extensions import get_files
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos import gallery as history
from webapp.storage.database import writing
from webapp.storage.labels.events import Stamp
from webapp.training.dataset import read_examples
from webapp.training.detector.box_data import read_boxes
from webapp.training.readers import list_photos
from webapp.training.recipe import Layout

Upload = Callable[..., str]


@pytest.fixture
def export(runner: FlaskCliRunner, tmp_path: Path):
    """Run the command quietly; returns what it said."""

    def run(format: str, out: str, *options: str, code: int = 0):
        done = runner.invoke(
            args=[
                "photos",
                "export",
                "--format",
                format,
                "--out",
                out if out == "-" else str(tmp_path / out),
                "--quiet",
                *options,
            ]
        )
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_table_goes_to_standard_output(export, upload: Upload) -> None:
    upload()
    done = export("csv", "-")
    assert (
        len(list(csv.DictReader(done.stdout.splitlines()))) == 1
        and "1 photos exported" in done.stderr
    )


def test_a_file_has_its_manifest_beside_it(export, upload: Upload, tmp_path: Path) -> None:
    upload(ground_truth="haas")
    export("jsonl", "all.jsonl")
    manifest = json.loads((tmp_path / "all.jsonl.manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "all.jsonl").read_bytes()).hexdigest()
    assert not list(tmp_path.glob(".all*"))


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_file_goes_on_after_its_last_whole_line(
    export, upload: Upload, tmp_path: Path, format: str
) -> None:
    for number in range(3):
        upload(mark=number, ground_truth="haas")
    export(format, "whole")
    content, manifest = (
        (tmp_path / "whole").read_bytes(),
        json.loads((tmp_path / "whole.manifest.json").read_text()),
    )
    lines = content.splitlines(keepends=True)
    (tmp_path / ".other.part").write_bytes(b"".join(lines[:2]) + lines[2][:20])
    about = {"format": format, "filter": {}, "after": ""}
    (tmp_path / ".other.part.json").write_text(
        json.dumps({"about": about, "made": manifest["created_at"], "label_event": 3})
    )
    export(format, "other")
    assert (tmp_path / "other").read_bytes() == content
    assert json.loads((tmp_path / "other.manifest.json").read_text()) == manifest


def test_a_table_goes_on_after_the_last_photo_that_has_all_its_lines(
    app: Flask, export, upload: Upload, tmp_path: Path
) -> None:
    with app.app_context():
        for number in range(2):
            put_cars(upload(mark=number))
    export("csv", "whole")
    content = (tmp_path / "whole").read_bytes()
    lines = content.splitlines(keepends=True)
    (tmp_path / ".other.part").write_bytes(b"".join(lines[:4]))
    about = {"format": "csv", "filter": {}, "after": ""}
    manifest = json.loads((tmp_path / "whole.manifest.json").read_text())
    (tmp_path / ".other.part.json").write_text(
        json.dumps({"about": about, "made": manifest["created_at"], "label_event": 0})
    )
    export("csv", "other")
    assert (tmp_path / "other").read_bytes() == content
    assert json.loads((tmp_path / "other.manifest.json").read_text())["photos"] == 2


def test_a_table_of_another_version_does_not_go_on(export, upload: Upload, tmp_path: Path) -> None:
    upload()
    (tmp_path / ".all.csv.part").write_bytes(b"id,filename\nabc,a.jpg\n")
    about = {"format": "csv", "filter": {}, "after": ""}
    (tmp_path / ".all.csv.part.json").write_text(
        json.dumps({"about": about, "made": "2026-01-01T00:00:00Z", "label_event": 3})
    )
    assert "by another version of Marque" in export("csv", "all.csv", code=1).stderr


def test_cars_are_cut_out_and_brought_up_to_date(
    app: Flask, export, upload: Upload, tmp_path: Path
) -> None:
    public_id = upload(ground_truth="haas", name="street.jpg")
    with app.app_context():
        car, _other = put_cars(public_id)
    done = export("folders", "data", "--unit", "crops")
    assert "1 cars of 1 photos exported" in done.stderr
    assert [path.name for path in (tmp_path / "data" / "haas").iterdir()] == [f"street-{car}.jpg"]
    with app.app_context():
        relabel_photo(public_id, "bwt", [make_card()], Stamp(Who("Anna"), "gallery"))
    assert "1 removed that no longer belong" in export("folders", "data", "--unit", "crops").stderr
    assert not (tmp_path / "data" / "haas").exists()


def test_photos_for_a_detector_are_brought_up_to_date(
    app: Flask, export, upload: Upload, tmp_path: Path
) -> None:
    with app.app_context():
        kept, reopened = upload(mark=1), upload(mark=2)
        for photo in (kept, reopened):
            put_cars(photo, found_by=PERSON)
        export("folders", "data", "--unit", "boxes")
        put_cars(reopened, [LEFT])  # the detector found it anew, and nobody has checked it
    done = export("folders", "data", "--unit", "boxes")
    assert "1 removed that no longer belong" in done.stderr
    assert [path.name for path in (tmp_path / "data" / "photos").iterdir()] == [f"car-{kept}.jpg"]
    (photo,) = read_boxes(tmp_path / "data")
    assert len(photo.boxes) == 2


def test_cars_and_photos_do_not_share_a_folder(export, upload: Upload) -> None:
    upload(ground_truth="haas")
    export("folders", "data")
    done = export("folders", "data", "--unit", "crops", code=1)
    assert "an export of other photos" in done.stderr


def test_yolo_is_a_zip_file(app: Flask, export, upload: Upload, tmp_path: Path) -> None:
    with app.app_context():
        put_cars(upload())
    upload(mark=1)
    assert "1 photos exported, 1 without a box left out" in export("yolo", "cars.zip").stderr
    assert zipfile.ZipFile(tmp_path / "cars.zip").testzip() is None


def test_one_of_other_photos_does_not_go_on(export, upload: Upload, tmp_path: Path) -> None:
    (tmp_path / ".all.csv.part").write_bytes(b"id\n")
    (tmp_path / ".all.csv.part.json").write_text(
        json.dumps({"about": {}, "made": "2026-01-01T00:00:00Z", "label_event": 3})
    )
    assert "began as an export of other photos" in export("csv", "all.csv", code=1).stderr


def test_a_file_that_is_there_is_not_written_over(export, upload: Upload, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("mine")
    assert "is there already" in export("csv", "all.csv", code=1).stderr
    assert (tmp_path / "all.csv").read_text() == "mine"


def test_training_reads_what_was_exported(export, upload: Upload, tmp_path: Path) -> None:
    upload(ground_truth="haas"), upload("#C00000", mark=1, ground_truth="ferrari"), upload(mark=2)
    export("folders", "data")
    listing = list_photos(tmp_path / "data", Layout())
    assert [photo.label for photo in listing.photos] == ["ferrari", "haas"]
    examples, refused = read_examples(listing.photos, 64)
    assert refused == [] and {example.sha256 for example in examples} == {
        hashlib.sha256(content).hexdigest() for content in (draw(), draw("#C00000", mark=1))
    }


def test_a_folder_keeps_what_is_there_and_mends_what_is_not(
    export, upload: Upload, tmp_path: Path
) -> None:
    first, second = upload(ground_truth="haas"), upload(mark=1, ground_truth="haas")
    export("folders", "data")
    kept, broken = (
        tmp_path / "data" / "haas" / f"car-{public_id}.jpg" for public_id in (first, second)
    )
    before = kept.stat().st_mtime_ns
    broken.write_bytes(b"half")
    export("folders", "data")
    assert kept.stat().st_mtime_ns == before and broken.read_bytes() == draw(mark=1)


def test_a_relabelled_photo_moves_to_its_new_class(
    app: Flask, export, upload: Upload, tmp_path: Path
) -> None:
    public_id = upload(ground_truth="haas")
    export("folders", "data")
    with app.app_context():
        relabel_photo(public_id, "bwt", [make_card()], Stamp(Who("Anna"), "gallery"))
    assert "1 removed that no longer belong" in export("folders", "data").stderr
    assert [place.name for place in (tmp_path / "data").iterdir() if place.is_dir()] == ["bwt"]


def test_a_folder_of_something_else_is_left_alone(export, upload: Upload, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert "holds no export" in export("folders", "mine", code=1).stderr


def test_two_filters_do_not_share_a_folder(export, upload: Upload) -> None:
    upload(ground_truth="haas")
    export("folders", "data")
    assert (
        "an export of other photos"
        in export("folders", "data", "--where", "outcome=wrong", code=1).stderr
    )


def test_a_missing_file_is_named_and_the_rest_is_exported(
    app: Flask, export, upload: Upload
) -> None:
    public_id = upload(ground_truth="haas")
    upload(mark=1, ground_truth="haas")
    with app.app_context(), writing():
        get_files().delete(history.get_photo(public_id).sha256)
    done = export("folders", "data", code=1)
    assert "1 photos exported, 1 file missing left out" in done.stderr and public_id in done.stderr


@pytest.mark.parametrize("where", ["outcome=maybe", "outcome", "model=nope"])
def test_a_filter_that_makes_no_sense_is_refused(runner: FlaskCliRunner, where: str) -> None:
    done = runner.invoke(
        args=["photos", "export", "--format", "csv", "--out", "-", "--where", where]
    )
    assert done.exit_code in (1, 2) and where.partition("=")[0] in done.stderr


def test_a_place_that_is_not_there_is_named_as_it_was_given(
    runner: FlaskCliRunner, tmp_path: Path
) -> None:
    done = runner.invoke(
        args=["photos", "export", "--format", "csv", "--out", str(tmp_path / "none" / "x.csv")]
    )
    assert (
        done.exit_code,
        f"{tmp_path}/none/x.csv cannot be written: No such file" in done.stderr,
    ) == (1, True)
