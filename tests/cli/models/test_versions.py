"""`flask model compare|promote|rollback|history|export`, with two copies of the shipped model."""

import io
import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from flask import Flask

from tests.conftest import ROOT
from webapp.app import create_app
from webapp.config import Config
from webapp.extensions import get_classifier
from webapp.inference.models.card import CARD_FILE, ModelCard
from webapp.inference.models.held_out import SPLIT_FILE, fingerprint, write_split
from webapp.inference.models.registry import Registry
from webapp.services.accounts.api_keys import create_key
from webapp.storage.database import db

SHIPPED = ROOT / "models" / "f1-teams"
SAMPLES = ROOT / "webapp" / "static" / "samples"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped version twice, as versions 1 and 2; the first is live.

    Both were trained on a file that does not exist.
    """
    source = SHIPPED / str(Registry(SHIPPED.parent).live_version("f1-teams"))
    split = {"0" * 64: "train"}
    for version in (1, 2):
        folder = tmp_path / "models" / "f1-teams" / str(version)
        shutil.copytree(source, folder)
        card = ModelCard.read(folder)
        files = {name: digest for name, digest in card.files.items() if name != SPLIT_FILE}
        card = replace(
            card, version=version, split={"fingerprint": fingerprint(split)}, files=files
        )
        (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")
        write_split(folder, split)
    Registry(tmp_path / "models").make_live("f1-teams", 1)
    return tmp_path / "models"


@pytest.fixture
def app(models: Path, tmp_path: Path) -> Flask:
    app = create_app(Config(data=tmp_path, models=models, secret_key="k" * 32))
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The sample pictures of two teams, in folders of their labels."""
    for label in ("ferrari", "mclaren"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        shutil.copy(SAMPLES / f"{label}.jpg", tmp_path / "photos" / label)
    return tmp_path / "photos"


def flask(app: Flask, *words: str | Path) -> Result:
    return app.test_cli_runner().invoke(args=["model", *map(str, words)])


def damage(models: Path, version: int) -> None:
    (models / "f1-teams" / str(version) / "model.tflite").write_bytes(b"half a file")


def test_compare_finds_no_difference_between_twins(app: Flask, photos: Path) -> None:
    answer = flask(app, "compare", "f1-teams", "1", "2", "--data", photos)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith(
        "Version 2 is no better than version 1.\nVersion 2 is right on "
    )
    assert (
        json.loads(flask(app, "compare", "f1-teams", "1", "2", "--data", photos, "--json").stdout)[
            "n"
        ]
        == 2
    )


def test_a_twin_is_not_promoted(app: Flask, photos: Path, models: Path) -> None:
    answer = flask(app, "promote", "f1-teams", "2", "--data", photos)
    assert answer.exit_code == 1
    assert "f1-teams 2 is no better than version 1, which stays live." in answer.output
    assert Registry(models).live_version("f1-teams") == 1


def test_promote_by_force_then_roll_back(app: Flask, models: Path) -> None:
    assert flask(app, "promote", "f1-teams", "2", "--force").exit_code == 2
    assert (
        "is live instead of version 1"
        in flask(app, "promote", "f1-teams", "2", "--force", "--why", "a twin").stdout
    )
    assert Registry(models).live_version("f1-teams") == 2
    assert (
        flask(app, "rollback", "f1-teams").stdout
        == "f1-teams 1 is live again, instead of version 2.\n"
    )
    lines = flask(app, "history", "f1-teams").stdout.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["2 → 1", "rolled back", "terminal", "-"],
        ["1 → 2", "promoted by force", "terminal", "a twin"],
    ]
    assert json.loads(flask(app, "history", "f1-teams", "--json").stdout)[1]["forced"] is True


def test_the_server_follows_a_promotion_without_a_restart(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/health/ready").json["model"]["version"] == 1
    flask(app, "promote", "f1-teams", "2", "--force", "--why", "a twin")
    assert client.get("/health/ready").json["model"]["version"] == 2


def test_a_damaged_version_cannot_be_promoted_even_by_force(app: Flask, models: Path) -> None:
    damage(models, 2)
    answer = flask(app, "promote", "f1-teams", "2", "--force", "--why", "please")
    assert answer.exit_code == 1
    assert "model.tflite is not the file that was published" in answer.output


def test_while_the_live_version_is_damaged_the_other_answers_and_everybody_is_told(
    app: Flask, models: Path
) -> None:
    damage(models, 1)
    client = app.test_client()
    answer = client.get("/health/ready")
    words = (
        "f1-teams 1 cannot be used: model.tflite is not the file that was published "
        "(its SHA-256 differs); version 2 answers."
    )
    assert (answer.status_code, answer.json["model"]["version"], answer.json["trouble"]) == (
        200,
        2,
        words,
    )
    for page in ("/", "/models", "/models/f1-teams/1"):
        assert words in client.get(page).text
    doctor = app.test_cli_runner().invoke(args=["doctor"])
    assert doctor.exit_code == 1
    assert words in doctor.output


def test_for_a_damaged_live_version_another_is_promoted_without_a_comparison(
    app: Flask, models: Path
) -> None:
    damage(models, 1)
    assert flask(app, "promote", "f1-teams", "2").exit_code == 0
    assert Registry(models).live_version("f1-teams") == 2


def test_an_exported_zip_holds_the_published_files_and_never_replaces_another(
    app: Flask, models: Path, tmp_path: Path
) -> None:
    target = tmp_path / "carried.zip"
    assert "MiB" in flask(app, "export", "f1-teams@2", target).stdout
    with zipfile.ZipFile(target) as archive:
        for name in (CARD_FILE, "model.keras", "model.tflite"):
            assert archive.read(name) == (models / "f1-teams" / "2" / name).read_bytes()
    assert "exists already" in flask(app, "export", "f1-teams@2", target).output


def test_a_damaged_version_is_not_exported(app: Flask, models: Path, tmp_path: Path) -> None:
    damage(models, 1)
    assert (
        "model.tflite is not the file"
        in flask(app, "export", "f1-teams", tmp_path / "carried.zip").output
    )
    assert not (tmp_path / "carried.zip").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "boat", "1"),
        ("rollback", "boat"),
        ("export", "boat@1", "x.zip"),
        ("export", "f1-teams@9", "x.zip"),
    ],
)
def test_what_does_not_exist_is_named_in_one_line(app: Flask, words: tuple[str, ...]) -> None:
    answer = flask(app, *words)
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: ")
    assert len(answer.output.splitlines()) == 1


def test_a_version_that_is_damaged_while_it_serves_goes_on_answering(
    app: Flask, models: Path
) -> None:
    with app.app_context():
        classifier = get_classifier()
        damage(models, 1)
        photo = np.zeros((40, 60, 3), dtype=np.uint8)
        with ThreadPoolExecutor(3) as pool:  # each may need an interpreter of its own
            sums = [
                float(output.probabilities.sum())
                for output in pool.map(classifier.predict, [photo] * 12)
            ]
    assert sums == pytest.approx([1.0] * 12)


def table_of(photos: Path) -> Path:
    """The same photos in one folder, with a table that names their labels."""
    folder = photos.with_name("table")
    folder.mkdir()
    lines = ["Id,Category"]
    for path in sorted(photos.glob("*/*")):
        shutil.copy(path, folder / path.name)
        lines.append(f"{path.stem},{path.parent.name}")
    (folder / "labels.csv").write_text("\n".join([*lines, "nobody,ferrari"]))
    return folder


def test_versions_are_compared_on_a_table_too(app: Flask, photos: Path) -> None:
    answer = flask(
        app,
        "compare",
        "f1-teams",
        "1",
        "2",
        "--data",
        table_of(photos),
        "--layout",
        "table",
        "--json",
    )
    assert json.loads(answer.stdout)["n"] == 2
    assert "left out nobody is not there" in answer.stderr


def test_and_on_what_boxes_cut_out(app: Flask, photos: Path) -> None:
    folder = photos.with_name("devkit")
    (folder / "train").mkdir(parents=True)
    for path in photos.glob("*/*"):
        shutil.copy(path, folder / "train")
    (folder / "anno_train.csv").write_text(
        "ferrari.jpg,1,1,900,600,1\nmclaren.jpg,5000,5000,6000,6000,2\n"
    )
    (folder / "names.csv").write_text("ferrari\nmclaren\n")
    answer = flask(
        app,
        "compare",
        "f1-teams",
        "1",
        "2",
        "--data",
        folder,
        "--layout",
        "cars-devkit",
        "--json",
    )
    assert json.loads(answer.stdout)["n"] == 1
    assert "left out devkit/train/mclaren.jpg: The box" in answer.stderr


def upload_samples(app: Flask, number: int) -> None:
    """Labelled photos in the history: a sample, each time with other bytes."""
    client = app.test_client()
    with app.app_context():
        key = {"Authorization": f"Bearer {create_key('tests', 'admin')[1]}"}
    for upload in range(number):
        content = (SAMPLES / "ferrari.jpg").read_bytes() + bytes([upload])
        public_id = client.post(
            "/api/v1/photos", data={"file": (io.BytesIO(content), "a.jpg")}
        ).json["id"]
        client.put(
            f"/api/v1/photos/{public_id}/ground-truth", json={"label": "ferrari"}, headers=key
        )


def test_versions_are_compared_on_the_photos_of_the_history(app: Flask) -> None:
    upload_samples(app, 30)
    answer = flask(app, "compare", "f1-teams", "1", "2", "--history", "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["n"] == 30
    assert (
        "is no better than version 1" in flask(app, "promote", "f1-teams", "2", "--history").output
    )


def test_a_short_history_is_nothing_to_compare_on(app: Flask) -> None:
    upload_samples(app, 1)
    assert (
        "There is nothing to compare on: 1 photo of the history has"
        in flask(app, "compare", "f1-teams", "1", "2", "--history").output
    )


def test_photos_come_from_one_place(app: Flask, photos: Path) -> None:
    assert flask(app, "compare", "f1-teams", "1", "2", "--history", "--data", photos).exit_code == 2
    assert flask(app, "compare", "f1-teams", "1", "2").exit_code == 2
