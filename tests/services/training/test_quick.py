"""A quick training from the first label to the version that knows it, with a real small network."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import keras

from tests.conftest import Apps
from tests.fakes import familiarity_rule, make_card
from tests.training.toys import COLORS, picture, toy_recipe
from webapp.config import Config
from webapp.domain import LONG, Who
from webapp.extensions import get_registry, get_tools
from webapp.inference.familiarity import Space
from webapp.inference.models.card import FAMILIARITY_FILE, KERAS_FILE, InputSpec, Label
from webapp.inference.models.golden import write_golden
from webapp.inference.models.publish import GOLDEN_FOLDER, publish
from webapp.services.accounts import api_keys
from webapp.services.jobs import queue
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import training as training_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.labels import merges
from webapp.training.network import build_network

pytestmark = pytest.mark.tensorflow
ANNA = Who("Anna")
FEATURES = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a live version that knows blue and green."""
    models, draft = (tmp_path_factory.mktemp(name) for name in ("models", "draft"))
    keras.utils.set_random_seed(1)
    network = build_network(toy_recipe(), 2, (32, 64))
    network.save(draft / KERAS_FILE)
    weights, bias = network.get_layer("probabilities").get_weights()
    basis = np.eye(FEATURES, dtype=np.float32)[:4]
    Space(weights, bias, np.zeros(FEATURES), basis).write(draft / FAMILIARITY_FILE)
    write_golden(draft / GOLDEN_FOLDER)
    card = make_card(
        name="toy",
        labels=(Label("blue", "Blue"), Label("green", "Green")),
        input=InputSpec(32, 64),
        familiarity=familiarity_rule(threshold=0.0),
        threshold=0.0,
    )
    publish(draft, card, models)
    return models


@pytest.fixture
def toy(apps: Apps, models: Path, tmp_path: Path) -> Flask:
    return apps.lend(Config(data=tmp_path, models=models, secret_key="k" * 32))


def send(client: FlaskClient, key: dict[str, str], seed: int, label: str) -> None:
    file = io.BytesIO()
    picture(seed, COLORS[label]).save(file, "PNG")
    data = {"file": (io.BytesIO(file.getvalue()), f"{label}-{seed}.png"), "ground_truth": label}
    answer = client.post("/api/v1/photos", data=data, headers=key)
    assert answer.status_code == 201, answer.text


def test_twenty_photos_of_a_new_label_become_a_version_that_waits(
    toy: Flask, key_of: Callable[[Flask], dict[str, str]]
) -> None:
    client, key = toy.test_client(), key_of(toy)
    with toy.app_context():
        merges.add_label(get_registry().published_card("toy"), "red", ANNA)
    for seed in range(20):
        send(client, key, seed, "red")
    for seed in range(8):
        send(client, key, 100 + seed, "blue")
        send(client, key, 200 + seed, "green")
    with toy.app_context():
        owner = Owner("user:1", all=True)
        job = training_job.enqueue(get_registry(), "toy", Sender(owner, ANNA))
        Worker(JOB_TYPES, get_tools, toy.app_context).run_queue(LONG)
        view = queue.get_job(job.public_id, owner)
        assert view.job.error == "" and view.job.result is not None
        assert view.job.result["new_labels"] == ["red"]
        registry, version = get_registry(), view.job.result["version"]
        assert registry.live_version("toy") == 1
        card = registry.card("toy", version)
        assert card.label_names == ("blue", "green", "red")
        assert card.metrics["test"]["top1"] >= 0.8
        assert get_tools().one_version("toy", version).card.version == version


@pytest.fixture
def key_of() -> Callable[[Flask], dict[str, str]]:
    """Makes the header of a key with the scope `admin` of an app."""

    def make(app: Flask) -> dict[str, str]:
        with app.app_context():
            _row, text = api_keys.create_key("tests", "admin")
        return {"Authorization": f"Bearer {text}"}

    return make
