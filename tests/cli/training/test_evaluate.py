"""`flask model evaluate`, with the shipped model and the sample pictures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from tests.cli.models.test_versions import SAMPLES, SHIPPED
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.models.card import CARD_FILE, ModelCard
from webapp.inference.models.held_out import fingerprint, hashed, write_split
from webapp.inference.models.registry import Registry
from webapp.training.readers import list_photos
from webapp.training.recipe import Layout

TEAMS = ("bwt", "ferrari", "mclaren", "williams")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The sample pictures of four teams, in folders of their labels."""
    for label in TEAMS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        shutil.copy(SAMPLES / f"{label}.jpg", tmp_path / "photos" / label)
    return tmp_path / "photos"


@pytest.fixture
def things(tmp_path: Path) -> Path:
    (tmp_path / "things").mkdir()
    for name in ("road-car", "sailing-boat"):
        shutil.copy(SAMPLES / f"{name}.jpg", tmp_path / "things")
    return tmp_path / "things"


@pytest.fixture
def models(tmp_path: Path, photos: Path) -> Path:
    """The shipped version as version 1, trained on the BWT and calibrated on the Ferrari."""
    source = SHIPPED / str(Registry(SHIPPED.parent).live_version("f1-teams"))
    folder = tmp_path / "models" / "f1-teams" / "1"
    shutil.copytree(source, folder)
    digests = {
        photo.label: photo.sha256 for photo in map(hashed, list_photos(photos, Layout()).photos)
    }
    teach(
        folder,
        {digests["bwt"]: "train", digests["ferrari"]: "validation", digests["mclaren"]: "test"},
    )
    Registry(tmp_path / "models").make_live("f1-teams", 1)
    return tmp_path / "models"


def teach(folder: Path, split: dict[str, str]) -> None:
    """Let the version in `folder` say that it was trained on these photos."""
    card = replace(ModelCard.read(folder), version=1, split={"fingerprint": fingerprint(split)})
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")
    write_split(folder, split)


@pytest.fixture
def house(models: Path, tmp_path: Path) -> Flask:
    return create_app(Config(data=tmp_path, models=models, secret_key="k" * 32))


def evaluate(house: Flask, *words: str | Path) -> Result:
    return house.test_cli_runner().invoke(args=["model", "evaluate", *map(str, words)], color=True)


def test_it_measures_what_the_live_version_has_not_seen(house: Flask, photos: Path) -> None:
    answer = evaluate(house, "f1-teams", "--data", photos)
    assert answer.exit_code == 0, answer.output
    assert "(f1-teams 1), measured on 2 photos that it has never seen" in answer.stdout
    assert "Left out: 1 that it was trained on; 1 of its validation part" in answer.stdout
    assert "\x1b[31m" not in answer.stdout


def test_it_writes_a_report_and_prints_json_beside_it(
    house: Flask, photos: Path, things: Path, tmp_path: Path
) -> None:
    words = ("--unknown", things, "--tta", "--json", "--out", tmp_path / "out")
    answer = evaluate(house, "f1-teams@1", "--data", photos, *words)
    assert answer.exit_code == 0, answer.output
    report = json.loads(answer.stdout)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert (report["figures"]["n"], report["others"]["n"], report["photos"]["parts"]) == (
        2,
        2,
        {"test": 1, "new": 1},
    )
    assert f"The report is in {tmp_path / 'out'}: report.md" in answer.stderr


def test_training_photos_are_measured_on_demand_and_then_it_says_so_in_red(
    house: Flask, photos: Path, tmp_path: Path
) -> None:
    answer = evaluate(
        house, "f1-teams", "--data", photos, "--include-training", "--out", tmp_path / "out"
    )
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("\x1b[31mf1-teams 1 has seen 2 of these 4 photos before")
    assert "> [!CAUTION]" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_it_refuses_photos_that_it_has_learnt_from(house: Flask, photos: Path) -> None:
    for label in ("mclaren", "williams"):
        shutil.rmtree(photos / label)
    answer = evaluate(house, "f1-teams", "--data", photos)
    assert answer.exit_code == 1
    assert answer.stderr.startswith(
        "Error: f1-teams 1 has seen every one of these photos: 1 that it was trained on; 1 of its"
    )
    assert answer.stdout == ""


def test_a_version_without_a_list_is_measured_with_a_warning_in_red(
    house: Flask, models: Path, photos: Path
) -> None:
    (models / "f1-teams" / "1" / "split.json").unlink()
    answer = evaluate(house, "f1-teams", "--data", photos)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("\x1b[31mNobody knows which photos f1-teams 1 was trained on")


def test_it_reads_a_table_as_training_does(house: Flask, photos: Path) -> None:
    (photos / "list.csv").write_text(
        "Id,Category\nmclaren/mclaren.jpg,McLaren\nwilliams/williams.jpg,Williams\n",
        encoding="utf-8",
    )
    answer = evaluate(house, "f1-teams", "--data", photos, "--layout", "table", "--json")
    assert json.loads(answer.stdout)["figures"]["n"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("boat",), "There is no model called 'boat'."),
        (("f1-teams@9",), "There is no version 9 of 'f1-teams'."),
        (("f1-teams@one",), "A version is a number: f1-teams@1, not f1-teams@one."),
        (("f1-teams", "--out", "/dev/null/out"), "The report cannot be written to /dev/null/out"),
        (("f1-teams", "--layout", "dogs"), "must be called like"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    house: Flask, photos: Path, words: tuple[str, ...], says: str
) -> None:
    answer = evaluate(house, *words, "--data", photos)
    assert answer.exit_code in (1, 2)
    assert says in answer.stderr.splitlines()[-1]


def test_a_damaged_version_is_not_measured(house: Flask, models: Path, photos: Path) -> None:
    (models / "f1-teams" / "1" / "model.tflite").write_bytes(b"half a file")
    answer = evaluate(house, "f1-teams", "--data", photos)
    assert answer.exit_code == 1
    assert "model.tflite is not the file that was published" in answer.stderr


def test_the_figures_of_its_card_come_out_again(shared: Path, tmp_path: Path) -> None:
    """The shipped version on the photos that were kept apart when it was trained."""
    house = create_app(Config(data=tmp_path, models=SHIPPED.parent, secret_key="k" * 32))
    data = [
        word for folder in ("f1-photos", "f1-game") for word in ("--data", shared / "data" / folder)
    ]
    report = json.loads(evaluate(house, "f1-teams", *data, "--json").stdout)
    sources = Registry(SHIPPED.parent).card("f1-teams").metrics["test"]["sources"]
    mine = [sources[name] for name in ("photos", "game frames")]
    number = sum(source["n"] for source in mine)
    assert report["figures"]["n"] == number
    for key in ("top1", "top5", "unclassified"):
        expected = sum(source[key] * source["n"] for source in mine) / number
        # the live detector is a later one than cut them out for the card: two photos may differ
        assert report["figures"][key] == pytest.approx(expected, abs=2.1 / number), key
