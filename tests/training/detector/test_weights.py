"""What a detector starts from: a MobileNetV2 of a LiteRT file, made narrower."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import keras

from webapp.errors import TrainingError
from webapp.inference.models.card import COMPILED_FILE
from webapp.inference.models.compiling import compile_network
from webapp.training.detector.litert_weights import mobilenet_weights
from webapp.training.detector.network import BLOCKS, build_body, full_widths
from webapp.training.detector.weights import narrow, narrow_widths, set_weights

pytestmark = pytest.mark.tensorflow
SIZE = (32, 32, 3)
RNG = np.random.default_rng(3)
PHOTOS = RNG.integers(0, 256, (8, *SIZE), dtype=np.uint8)


def make_body(widths: tuple[int, ...] = full_widths()) -> keras.Model:
    photo = keras.Input(SIZE)
    return keras.Model(photo, build_body(photo, widths))


def kernels(body: keras.Model) -> dict[str, tuple[int, ...]]:
    return {layer.name: tuple(layer.kernel.shape) for layer in body.layers if layer.weights}


def arrays(body: keras.Model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in body.layers if layer.weights}


def last(body: keras.Model) -> np.ndarray:
    return np.asarray(body(PHOTOS.astype(np.float32))[-1])


@pytest.fixture(scope="module")
def body() -> keras.Model:
    """A network with random weights, the biases among them."""
    body = make_body()
    for layer in body.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, RNG.normal(0, 0.1, bias.shape)])
    return body


def test_a_compiled_network_gives_its_weights_back(body: keras.Model, tmp_path: Path) -> None:
    compile_network(body, tmp_path)
    given = mobilenet_weights(tmp_path / COMPILED_FILE, kernels(body))
    for name, pair in arrays(body).items():
        for array, expected in zip(given[name], pair, strict=True):
            assert np.allclose(array, expected, atol=2e-3), name


def test_what_lies_between_the_layers_is_passed_over(body: keras.Model, tmp_path: Path) -> None:
    tap = body.get_layer("block_13_expand_relu").output
    head = keras.layers.Conv2D(12, 1, name="head")(tap)
    compile_network(keras.Model(body.input, [*body.outputs, head]), tmp_path, half=False)
    given = mobilenet_weights(tmp_path / COMPILED_FILE, kernels(body))
    assert np.allclose(given["block_14_expand"][0], arrays(body)["block_14_expand"][0])


def test_a_file_of_another_network_is_refused(body: keras.Model, tmp_path: Path) -> None:
    photo = keras.Input(SIZE)
    compile_network(keras.Model(photo, keras.layers.Conv2D(8, 3)(photo)), tmp_path)
    with pytest.raises(TrainingError, match=r"model\.tflite is of another network"):
        mobilenet_weights(tmp_path / COMPILED_FILE, kernels(body))


def test_a_file_that_is_no_network_is_refused(body: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "odd.tflite").write_bytes(b"no network at all, only text")
    with pytest.raises(TrainingError, match=r"odd\.tflite cannot be read"):
        mobilenet_weights(tmp_path / "odd.tflite", kernels(body))


def test_as_many_features_as_before_answer_as_before(body: keras.Model) -> None:
    same = make_body()
    set_weights(same, narrow(arrays(body), full_widths(), PHOTOS))
    assert np.abs(last(same) - last(body)).max() < 0.05 * last(body).std()


def test_a_narrower_network_has_fewer_features_in_each_block(body: keras.Model) -> None:
    widths = narrow_widths(0.7)
    weights = narrow(arrays(body), widths, PHOTOS)
    made = [weights[f"block_{place}_project"][0].shape[2] for place in range(1, len(BLOCKS))]
    assert made == list(widths[1:])
