"""The backbones give the features of Keras' Applications, also when compiled."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import keras

from webapp.errors import TrainingError
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.models.card import (
    CARD_FILE,
    COMPILED_FILE,
    KERAS_FILE,
    InputSpec,
    Label,
    ModelCard,
)
from webapp.inference.models.publish_child import compile_network
from webapp.training.backbones import BACKBONES, CAFFE_MEAN, DEVIATION, MEAN
from webapp.training.network import build_network
from webapp.training.recipe import BACKBONE_NAMES, Recipe

pytestmark = pytest.mark.tensorflow
FAMILIES = (
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet50",
    "resnet50_v2",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "convnext_tiny",
)
COMPILED = (
    "mobilenet_v3_small",
    "resnet50",
    "efficientnet_b0",
    "efficientnet_lite0",
    "convnext_tiny",
    "plain_cnn",
)
"""One of each kind of operations: the others are made of the same."""

SIDE = 64


class Backbone(NamedTuple):
    """A network of ours, and Keras' own whose weights it has."""

    name: str
    ours: keras.Model
    twin: keras.Model | None


def network(name: str, labels: int = 3, weights: str | Path = "none") -> keras.Model:
    return build_network(Recipe("toy", "Toy", backbone=name), labels, (SIDE, SIDE), weights)


@pytest.fixture(scope="module")
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A network with the weights of its Keras Application, made once for all tests with it."""
    name = request.param
    if not (make_twin := BACKBONES[name].twin):
        return Backbone(name, network(name), None)
    twin = settled(make_twin(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3)))
    weights = tmp_path_factory.mktemp("twin") / "twin.weights.h5"
    twin.save_weights(weights)
    return Backbone(name, network(name, weights=weights), twin)


def photos() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (2, SIDE, SIDE, 3)).astype(np.float32)


def as_keras_wants_it(name: str, pixels: np.ndarray) -> np.ndarray:
    """Pixels as the Application expects them, by its documentation."""
    if name == "resnet50":
        return pixels[..., ::-1] - np.array(CAFFE_MEAN[::-1], dtype=np.float32)
    return pixels / 127.5 - 1 if name in ("mobilenet_v2", "resnet50_v2") else pixels


def settled(model: keras.Model) -> keras.Model:
    """The same model with BatchNorm statistics and layer scales as after a training."""
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [
                    array + rng.uniform(0.0, 0.2, array.shape).astype(np.float32)
                    for array in layer.get_weights()
                ]
            )
        elif type(layer).__name__ == "LayerScale":
            layer.set_weights([np.full_like(array, 0.1) for array in layer.get_weights()])
        elif isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.load_own_variables({"0": MEAN, "1": DEVIATION**2, "2": np.array(0)})
    return model


def test_every_name_of_a_recipe_is_a_backbone() -> None:
    assert set(BACKBONE_NAMES) == set(BACKBONES)


@pytest.mark.parametrize("backbone", FAMILIES, indirect=True)
def test_a_weights_file_gives_the_features_of_keras(backbone: Backbone) -> None:
    theirs = np.asarray(backbone.twin(as_keras_wants_it(backbone.name, photos()), training=False))
    features = np.asarray(backbone.ours(photos(), training=False)["feature_map"])
    assert np.abs(features - theirs).max() <= 2e-3 * np.abs(theirs).max()
    assert np.ptp(theirs) > 0


@pytest.mark.parametrize("backbone", COMPILED, indirect=True)
def test_it_compiles_and_answers_as_keras_does(backbone: Backbone, tmp_path: Path) -> None:
    model = backbone.ours
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    card = ModelCard(
        name="toy",
        version=1,
        title="Toy",
        noun="thing",
        noun_plural="things",
        question="?",
        summary="",
        labels=tuple(Label(array, array) for array in "abc"),
        input=InputSpec(SIDE, SIDE),
        temperature=1.0,
        threshold=0.0,
    )
    (tmp_path / CARD_FILE).write_text(card.to_json())
    model.save(tmp_path / KERAS_FILE)
    compile_network(model, tmp_path, half=False)
    assert (tmp_path / COMPILED_FILE).is_file()
    pixels = photos()[0].astype(np.uint8)
    output = LiteRTClassifier(tmp_path, card).predict(pixels)
    wanted = model(pixels[np.newaxis].astype(np.float32), training=False)
    assert np.abs(output.probabilities - np.asarray(wanted["probabilities"])[0]).max() < 1e-3
    embedding = np.asarray(wanted["embedding"])[0]
    assert np.abs(output.embedding - embedding).max() <= 0.02 * np.abs(embedding).max()


def test_it_says_that_a_backbone_has_no_imagenet_weights() -> None:
    with pytest.raises(TrainingError, match="plain_cnn has no ImageNet weights"):
        network("plain_cnn", weights="imagenet")


def test_it_starts_from_a_published_version(tmp_path: Path) -> None:
    version = network("small_cnn")
    version.save(tmp_path / "model.keras")
    again = network("small_cnn", labels=7, weights=tmp_path / "model.keras")
    photos = np.random.default_rng(2).uniform(0, 255, (2, SIDE, SIDE, 3)).astype(np.float32)
    np.testing.assert_allclose(again(photos)["embedding"], version(photos)["embedding"], atol=1e-6)


def test_it_refuses_to_start_from_a_version_with_another_backbone(tmp_path: Path) -> None:
    network("small_cnn").save(tmp_path / "model.keras")
    with pytest.raises(TrainingError, match="another backbone"):
        network("plain_cnn", weights=tmp_path / "model.keras")


def test_it_refuses_a_keras_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no archive")
    with pytest.raises(TrainingError, match="cannot be started from"):
        network("small_cnn", weights=tmp_path / "model.keras")


def test_it_refuses_the_weights_of_another_backbone(tmp_path: Path) -> None:
    network("small_cnn").save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(TrainingError, match=r"other\.weights\.h5 does not fit the backbone"):
        network("mobilenet_v2", weights=tmp_path / "other.weights.h5")
