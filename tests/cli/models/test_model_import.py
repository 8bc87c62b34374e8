"""`flask model import`: from a network file to a version that answers, and back."""

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

from tests.children import children_in_this_process
from tests.conftest import draw
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import LONG, Who
from webapp.errors import ModelRefusedError
from webapp.extensions import get_classifier, get_registry, get_tools
from webapp.inference.decoding.images import decode_photo
from webapp.inference.model_import.model_import import Request, import_model
from webapp.inference.models.publish import ChildLimits
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import model_import as import_model_job
from webapp.services.jobs.types.model_import import ModelUpload
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.storage.database import db

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore"),
]  # Keras warns about its older format


def make_site(folder: Path) -> Flask:
    """An app without models; its data and its models folder lie in `folder`."""
    app = create_app(Config(data=folder, models=folder / "models", secret_key="k" * 32))
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def site(tmp_path: Path) -> Flask:
    return make_site(tmp_path)


def flask(site: Flask, *words: str | Path) -> Result:
    return site.test_cli_runner().invoke(args=["model", *map(str, words)])


def plain_cnn() -> keras.Model:
    """The network of an earlier service: three convolutions, a dense layer, 256 x 256 pixels."""
    flow = [layers.Conv2D(filters, 3, activation="relu") for filters in (16, 32, 16)]
    stack = [layer for convolution in flow for layer in (convolution, layers.MaxPooling2D())]
    head = [
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dense(8, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((256, 256, 3)), *stack, *head])


def test_the_plain_network_of_an_earlier_service_imports_compiles_and_answers(
    site: Flask, tmp_path: Path
) -> None:
    model = plain_cnn()
    model.save(tmp_path / "Formula One.h5")
    teams = "Alfa Romeo,BWT,Ferrari,Haas,McLaren,Mercedes,Red Bull,Williams"
    answer = flask(
        site,
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
    with site.app_context():
        got = get_classifier().predict(photo).probabilities
    np.testing.assert_allclose(got, np.asarray(model(photo[np.newaxis] / 255))[0], atol=1e-4)
    assert "- → 1\tfirst version\tterminal" in flask(site, "history", "formula-one").stdout
    page = site.test_client().get("/models/formula-one/1").text
    assert "Imported from Formula One.h5; not measured here." in page
    assert "This card has no figures" in page


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flask, Result]:
    """An app with a network that scales by itself, imported from a folder."""
    folder = tmp_path_factory.mktemp("cars")
    (folder / "given").mkdir()
    flow = [
        layers.Rescaling(1 / 127.5, offset=-1.0),
        layers.Conv2D(8, 3, strides=2, activation="hard_silu"),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.Conv2D(4, 1),
        layers.Flatten(),
        layers.Softmax(),
    ]
    model = keras.Sequential([keras.Input((64, 64, 3)), *flow])
    model.save(folder / "given" / "model.keras")
    (folder / "given" / "labels.txt").write_text("0 audi\n1 bmw\n2 lada\n3 skoda\n")
    site = make_site(folder)
    with children_in_this_process():
        answer = flask(site, "import", folder / "given", "--name", "cars", "--threshold", "0.3")
    return site, answer


def test_a_network_that_scales_by_itself_waits_until_it_is_promoted(
    cars: tuple[Flask, Result],
) -> None:
    site, answer = cars
    assert answer.exit_code == 0, answer.output
    assert "It waits" in answer.stdout
    with site.app_context():
        registry = get_registry()
    assert registry.live_version("cars") is None
    card = registry.card("cars", 1)
    assert (card.label_names, card.threshold, card.temperature) == (
        ("audi", "bmw", "lada", "skoda"),
        0.3,
        1.0,
    )
    assert card.training["imported"]["preprocess"] == "none"
    assert flask(site, "promote", "cars", "1").exit_code == 0
    assert site.test_client().get("/health/ready").json["model"] == {"name": "cars", "version": 1}


@pytest.fixture(scope="module")
def carried(cars: tuple[Flask, Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that was imported elsewhere, exported there and unpacked."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert flask(cars[0], "export", "cars@1", elsewhere / "cars.zip").exit_code == 0
    with zipfile.ZipFile(elsewhere / "cars.zip") as archive:
        archive.extractall(elsewhere / "cars")
    return elsewhere / "cars"


def test_an_exported_version_imports_bit_by_bit(site: Flask, carried: Path, tmp_path: Path) -> None:
    exported = carried.with_suffix(".zip")
    with children_in_this_process():
        assert flask(site, "import", exported, "--name", "here").exit_code == 0
    here = tmp_path / "models" / "here" / "1"
    golden = [f"golden/{path.name}" for path in (carried / "golden").iterdir()]
    for name in ("model.keras", "model.tflite", *golden):
        assert (here / name).read_bytes() == (carried / name).read_bytes()
    first, second = (json.loads((path / "card.json").read_text()) for path in (carried, here))
    assert (second["golden"], second["files"]) == (first["golden"], first["files"])


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


def test_a_job_imports_through_the_same_gate(site: Flask, tiny: Path, tmp_path: Path) -> None:
    with site.app_context(), tiny.open("rb") as content:
        asked = import_model_job.check_options({"preprocess": "unit", "name": "small"})
        owner, sent = Owner("user:1"), ModelUpload("Tiny one.keras", content, "a\nb\nc")
        job = import_model_job.enqueue(tmp_path, sent, asked, Sender(owner, Who("Anna")))
    Worker(JOB_TYPES, get_tools, site.app_context).run_queue(LONG)
    with site.app_context():
        view = jobs.get_job(job.public_id, owner)
    assert (view.state, view.job.result) == (
        "succeeded",
        {"name": "small", "version": 1, "notes": []},
    ), view.job.error
    assert Registry(tmp_path / "models").card("small", 1).label_names == ("a", "b", "c")


def test_a_carried_version_whose_compiled_network_was_swapped_is_refused(
    site: Flask, carried: Path, tmp_path: Path
) -> None:
    shutil.copytree(carried, tmp_path / "swapped")
    (tmp_path / "swapped" / "model.tflite").write_bytes(b"another network")
    answer = flask(site, "import", tmp_path / "swapped", "--name", "swapped")
    assert answer.exit_code == 1
    assert "model.tflite is not the file that was published" in answer.output
    assert not (tmp_path / "models" / "swapped").exists()


def test_a_refusal_is_one_line_and_leaves_nothing_behind(
    site: Flask, tiny: Path, tmp_path: Path
) -> None:
    answer = flask(site, "import", tiny, "--labels", "a,b,c,d")
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
def test_it_refuses_what_cannot_be_a_version_before_loading_it(
    site: Flask, tiny: Path, words: tuple[str, ...], expected: str
) -> None:
    answer = flask(site, "import", tiny, *words)
    assert answer.exit_code != 0
    assert expected in answer.output


def test_a_damaged_copy_is_refused(site: Flask, tiny: Path, tmp_path: Path) -> None:
    content = tiny.read_bytes()
    (tmp_path / "half.keras").write_bytes(content[: len(content) // 2])
    answer = flask(site, "import", tmp_path / "half.keras", "--labels", "a,b,c")
    assert "cut off or damaged" in answer.output


def test_a_file_that_keeps_the_child_busy_too_long_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="took longer than 1 s and was stopped"):
        import_model(Request(tiny, "a,b,c"), tmp_path / "models", limits=ChildLimits(seconds=1))
    assert not (tmp_path / "models").exists()
