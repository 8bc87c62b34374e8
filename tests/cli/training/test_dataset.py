"""`flask model dataset`."""

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from flask import Flask

pytest.importorskip("scipy", reason="the readers need SciPy")

from tests.training.toys import write_pictures
from webapp.cli.training.options import LAYOUTS
from webapp.training.recipe import Layout


def test_it_reports_in_words(app: Flask, tmp_path: Path) -> None:
    answer = app.test_cli_runner().invoke(
        args=["model", "dataset", "toys", "--data", str(write_pictures(tmp_path / "toys", 2))]
    )
    assert answer.exit_code == 0
    assert "toys: 6 photos, 3 labels, 1 source" in answer.stdout


def test_it_reports_a_table_as_json(app: Flask, tmp_path: Path) -> None:
    write_pictures(tmp_path / "toys", 1)
    (tmp_path / "toys" / "list.csv").write_text("Bild,Farbe\nred/000.png,rot\n")
    options = ["--image-column", "Bild", "--label-column", "Farbe", "--json"]
    answer = app.test_cli_runner().invoke(
        args=["model", "dataset", "toys", "--data", str(tmp_path / "toys"), *options]
    )
    assert json.loads(answer.stdout)["counts"] == {"rot": {"toys": 1}}


def test_it_refuses_an_empty_folder_in_one_sentence(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = app.test_cli_runner().invoke(
        args=["model", "dataset", "toys", "--data", str(tmp_path / "empty")]
    )
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1].startswith("Error: The data folder")


def test_the_terminal_offers_every_layout() -> None:
    assert get_args(get_type_hints(Layout)["kind"]) == LAYOUTS
