"""`flask model import`: from a file of somebody else's to a version that ranks, and back out and in again."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from flask import Flask

pytest.importorskip("tensorflow", reason="importing needs TensorFlow")

import keras
from keras import layers

from tests.conftest import draw
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import LONG, Who
from webapp.errors import ModelRefusedError
from webapp.extensions import get_classifier, get_tools
from webapp.inference.decoding.images import decode_photo
from webapp.inference.model_import.model_import import Request, import_model
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import model_import as import_model_job
from webapp.services.jobs.types.model_import import Sent
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.storage.database import db

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore"),
]  # Keras speaks about its older format


@pytest.fixture
def house(tmp_path: Path) -> Flask:
    app = create_app(Config(data=tmp_path, models=tmp_path / "models", secret_key="k" * 32))
    with app.app_context():
        db.create_all()
    return app


def flask(house: Flask, *words: str | Path) -> Result:
    return house.test_cli_runner().invoke(args=["model", *map(str, words)])


def plain_cnn() -> keras.Model:
    """The network of an earlier service: three convolutions and a dense layer on 256 x 256 pixels."""
    flow = [layers.Conv2D(filters, 3, activation="relu") for filters in (16, 32, 16)]
    stack = [one for convolution in flow for one in (convolution, layers.MaxPooling2D())]
    head = [
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dense(8, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((256, 256, 3)), *stack, *head])


def test_the_plain_network_of_an_earlier_service_imports_compiles_and_ranks(
    house: Flask, tmp_path: Path
) -> None:
    model = plain_cnn()
    model.save(tmp_path / "Formula One.h5")
    teams = "Alfa Romeo,BWT,Ferrari,Haas,McLaren,Mercedes,Red Bull,Williams"
    answer = flask(
        house,
        "import",
        tmp_path / "Formula One.h5",
        "--labels",
        teams,
        "--preprocess",
        "unit",
        "--live",
    )
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.splitlines()[1] == "It is live."
    photo = decode_photo(draw(size=(256, 256), format="PNG")).pixels
    with house.app_context():
        got = get_classifier().predict(photo).probabilities
    np.testing.assert_allclose(got, np.asarray(model(photo[np.newaxis] / 255))[0], atol=1e-4)
    assert "- → 1\tfirst version\tterminal" in flask(house, "history", "formula-one").stdout
    page = house.test_client().get("/models/formula-one/1").text
    assert "Imported from Formula One.h5; not measured here." in page
    assert "This card has no figures" in page


def test_an_efficientnet_waits_until_it_is_promoted(house: Flask, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    model = keras.applications.EfficientNetB0(weights=None, classes=4, input_shape=(64, 64, 3))
    model.save(tmp_path / "given" / "model.keras")
    (tmp_path / "given" / "labels.txt").write_text("0 audi\n1 bmw\n2 lada\n3 skoda\n")
    answer = flask(house, "import", tmp_path / "given", "--name", "cars", "--threshold", "0.3")
    assert answer.exit_code == 0, answer.output
    assert "It waits" in answer.stdout
    registry = Registry(tmp_path / "models")
    assert registry.live_version("cars") is None
    card = registry.card("cars", 1)
    assert (card.label_names, card.threshold, card.temperature) == (
        ("audi", "bmw", "lada", "skoda"),
        0.3,
        1.0,
    )
    assert card.training["imported"]["preprocess"] == "none"  # it scales by itself
    assert flask(house, "promote", "cars", "1").exit_code == 0
    assert house.test_client().get("/health/ready").json["model"] == {"name": "cars", "version": 1}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    flow = [
        layers.Conv2D(8, 3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ]
    keras.Sequential([keras.Input((16, 24, 3)), *flow]).save(folder / "tiny.keras")
    return folder / "tiny.keras"


def test_an_exported_version_imports_elsewhere_bit_by_bit(
    house: Flask, tiny: Path, tmp_path: Path
) -> None:
    assert flask(house, "import", tiny, "--labels", "a,b,c").exit_code == 0
    assert flask(house, "export", "tiny@1", tmp_path / "tiny.zip").exit_code == 0
    assert flask(house, "import", tmp_path / "tiny.zip", "--name", "elsewhere").exit_code == 0
    there, here = (tmp_path / "models" / name / "1" for name in ("tiny", "elsewhere"))
    for name in (
        "model.keras",
        "model.tflite",
        *(f"golden/{path.name}" for path in (there / "golden").iterdir()),
    ):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    cards = [json.loads((folder / "card.json").read_text()) for folder in (there, here)]
    assert cards[0]["golden"] == cards[1]["golden"]
    assert cards[0]["files"] == cards[1]["files"]


def test_a_job_imports_through_the_same_command(house: Flask, tiny: Path, tmp_path: Path) -> None:
    with house.app_context(), tiny.open("rb") as content:
        asked = import_model_job.check_options({"preprocess": "unit", "name": "small"})
        owner, sent = Owner("user:1"), Sent("Tiny one.keras", content, "a\nb\nc")
        job = import_model_job.enqueue(tmp_path, sent, asked, Sender(owner, Who("Anna")))
    Worker(JOB_TYPES, get_tools, house.app_context).run_queue(LONG)
    with house.app_context():
        view = jobs.get_job(job.public_id, owner)
    assert (view.state, view.job.result) == (
        "succeeded",
        {"name": "small", "version": 1, "notes": []},
    ), view.job.error
    assert Registry(tmp_path / "models").card("small", 1).label_names == ("a", "b", "c")


def test_a_carried_version_whose_compiled_network_was_swapped_is_refused(
    house: Flask, tiny: Path, tmp_path: Path
) -> None:
    flask(house, "import", tiny, "--labels", "a,b,c")
    flask(house, "export", "tiny@1", tmp_path / "tiny.zip")
    with zipfile.ZipFile(tmp_path / "tiny.zip") as archive:
        archive.extractall(tmp_path / "swapped")
    (tmp_path / "swapped" / "model.tflite").write_bytes(b"another network")
    answer = flask(house, "import", tmp_path / "swapped", "--name", "swapped")
    assert answer.exit_code == 1
    assert "model.tflite is not the file that was published" in answer.output
    assert not (tmp_path / "models" / "swapped").exists()


def test_a_refusal_is_one_line_and_leaves_nothing_behind(
    house: Flask, tiny: Path, tmp_path: Path
) -> None:
    answer = flask(house, "import", tiny, "--labels", "a,b,c,d")
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: The last layer 'dense")
    assert answer.output.endswith("answers 3 numbers for a photo, but there are 4 labels.\n")
    assert not (tmp_path / "models" / "tiny").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--labels", "a,none,c"), "no label may be called 'none'"),
        (("--labels", "a,b,c", "--name", "../up"), "name must be lower-case letters"),
        (("--labels", "a,b,c", "--size", "big"), "a size is height x width"),
        ((), "Say what the network's outputs mean"),
    ],
)
def test_what_cannot_be_a_version_is_said_before_the_work_begins(
    house: Flask, tiny: Path, words: tuple[str, ...], expected: str
) -> None:
    answer = flask(house, "import", tiny, *words)
    assert answer.exit_code != 0
    assert expected in answer.output


def test_a_damaged_copy_is_refused(house: Flask, tiny: Path, tmp_path: Path) -> None:
    shutil.copy(tiny, tmp_path / "half.keras")
    content = tiny.read_bytes()
    (tmp_path / "half.keras").write_bytes(content[: len(content) // 2])
    assert (
        "cut off or damaged"
        in flask(house, "import", tmp_path / "half.keras", "--labels", "a,b,c").output
    )


def test_a_file_that_keeps_the_child_busy_too_long_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="took longer than 1 s and was stopped"):
        import_model(Request(tiny, "a,b,c"), tmp_path / "models", seconds=1)
    assert not (tmp_path / "models").exists()
