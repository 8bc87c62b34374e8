"""`flask model compare|promote` with two copies of the shipped detector, on photos with boxes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from tests.conftest import ROOT
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.models.card import CARD_FILE
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.held_out import SPLIT_FILE, fingerprint, write_split
from webapp.inference.models.registry import Registry
from webapp.storage.database import db

NAME = "car-detector"
SHIPPED = ROOT / "models" / NAME
CARS = sorted((ROOT / "tests" / "pictures" / "cars").glob("*.jpg"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped version, live, and as version 2 one that is sure of nothing."""
    source = SHIPPED / str(Registry(SHIPPED.parent).live_version(NAME))
    split = {"0" * 64: "train"}
    for version, threshold in ((1, 0.5), (2, 1.0)):
        folder = tmp_path / "models" / NAME / str(version)
        shutil.copytree(source, folder)
        card = replace(
            DetectorCard.read(folder),
            version=version,
            threshold=threshold,
            split={"fingerprint": fingerprint(split)},
        )
        files = {name: digest for name, digest in card.files.items() if name != SPLIT_FILE}
        (folder / CARD_FILE).write_text(replace(card, files=files).to_json(), encoding="utf-8")
        write_split(folder, split)
    Registry(tmp_path / "models").make_live(NAME, 1)
    return tmp_path / "models"


@pytest.fixture
def app(models: Path, tmp_path: Path) -> Flask:
    app = create_app(Config(data=tmp_path, models=models, secret_key="k" * 32))
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures of cars with one box each, around all but their edge."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = []
    for path in CARS:
        shutil.copy(path, folder)
        box = {"class": "car", "box": [0.05, 0.05, 0.95, 0.95]}
        lines.append(json.dumps({"file": path.name, "boxes": [box]}))
    (folder / "boxes.jsonl").write_text("\n".join(lines))
    return folder


def flask(app: Flask, *words: str | Path) -> Result:
    return app.test_cli_runner().invoke(args=["model", *map(str, words)])


def test_two_detectors_are_compared_on_photos_with_boxes(app: Flask, photos: Path) -> None:
    answer = flask(app, "compare", NAME, "1", "2", "--data", photos)
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "Version 2 is worse than version 1."
    assert lines[1].startswith(f"Version 2 finds 0 of {len(CARS)} cars in {len(CARS)} photos")
    assert any(line.startswith("main car closely") for line in lines)


def test_the_comparison_is_json_when_asked(app: Flask, photos: Path) -> None:
    answer = flask(app, "compare", NAME, "1", "1", "--data", photos, "--json")
    comparison = json.loads(answer.stdout)
    assert comparison["verdict"] == "same" and len(comparison["figures"]) == 2


def test_photos_of_other_things_tell_of_false_alarms(app: Flask, photos: Path) -> None:
    answer = flask(app, "compare", NAME, "2", "1", "--unknown", photos, "--json")
    comparison = json.loads(answer.stdout)
    assert comparison["verdict"] == "worse" and comparison["figures"][1]["false_alarms"] > 0


def test_a_detector_that_is_worse_is_not_promoted(app: Flask, photos: Path, models: Path) -> None:
    answer = flask(app, "promote", NAME, "2", "--data", photos)
    assert answer.exit_code == 1
    assert "car-detector 2 is worse than version 1, which stays live." in answer.output
    flask(app, "promote", NAME, "2", "--data", photos, "--force", "--why", "a try")
    assert Registry(models).live_version(NAME) == 2
    answer = flask(app, "promote", NAME, "1", "--data", photos)  # the better one needs no reason
    assert answer.exit_code == 0 and Registry(models).live_version(NAME) == 1


def test_a_detector_goes_back(app: Flask, models: Path) -> None:
    flask(app, "promote", NAME, "2", "--force", "--why", "a try")
    assert "car-detector 1 is live again" in flask(app, "rollback", NAME).stdout


def test_a_folder_without_boxes_is_named(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = flask(app, "compare", NAME, "1", "2", "--data", tmp_path / "empty")
    assert answer.exit_code == 1 and "There is no list of boxes in" in answer.output


def test_a_detector_leaves_as_a_zip(app: Flask, tmp_path: Path) -> None:
    answer = flask(app, "export", f"{NAME}@1", tmp_path / "detector.zip")
    assert answer.exit_code == 0 and (tmp_path / "detector.zip").stat().st_size > 10**6
