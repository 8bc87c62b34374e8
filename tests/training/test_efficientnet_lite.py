"""EfficientNet-Lite has the published size, and takes the weights of a PyTorch checkpoint."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import keras

from tests.training.torch_files import write_torch_file
from webapp.errors import TrainingError
from webapp.training.backbones import build_backbone

pytestmark = pytest.mark.tensorflow
NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
IMAGENET_HEAD = 1_281_000  # 1,000 classes from 1,280 features


def backbone(size: int, weights: str | Path = "none", side: int = 32) -> keras.Model:
    return build_backbone(f"efficientnet_lite{size}", keras.Input((side, side, 3)), weights)


def settled(body: keras.Model) -> keras.Model:
    """The same network with other numbers in every weight."""
    rng = np.random.default_rng(3)
    body.set_weights([w + rng.uniform(0, 0.05, w.shape) for w in body.get_weights()])
    return body


def checkpoint_of(body: keras.Model) -> dict[str, np.ndarray]:
    """Its weights as PyTorch names and lays them out, with an ImageNet classifier."""
    arrays: dict[str, np.ndarray] = {}
    for layer in body.layers:
        parts = [p if p.isdecimal() else f"_{p}" for p in layer.name.split(".")]
        for weight in layer.weights:
            array = np.asarray(weight)
            if isinstance(layer, keras.layers.DepthwiseConv2D):
                array = array.transpose(2, 3, 0, 1)  # still as it lies in memory, by its strides
            elif array.ndim == 4:
                array = np.ascontiguousarray(array.transpose(3, 2, 0, 1))
            arrays[".".join([*parts, NORM.get(weight.name, "weight")])] = array
        if isinstance(layer, keras.layers.BatchNormalization):
            arrays[".".join([*parts, "num_batches_tracked"])] = np.array(5, dtype=np.int64)
    head = {"_fc.weight": np.zeros((1000, 1280), np.float32), "_fc.bias": np.zeros(1000, "f4")}
    return arrays | head


@pytest.mark.parametrize(("size", "millions"), [(0, 4.65), (1, 5.42), (2, 6.09)])
def test_it_has_as_many_weights_as_published(size: int, millions: float) -> None:
    trainable = sum(int(np.prod(weight.shape)) for weight in backbone(size).trainable_weights)
    assert round((trainable + IMAGENET_HEAD) / 1e6, 2) == millions


def test_a_checkpoint_gives_its_weights(tmp_path: Path) -> None:
    body = settled(backbone(0))
    path = write_torch_file(tmp_path / "lite0.pth", checkpoint_of(body))
    photo = np.random.default_rng(4).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(backbone(0, path)(photo), body(photo))


def test_it_refuses_the_checkpoint_of_another_size(tmp_path: Path) -> None:
    path = write_torch_file(tmp_path / "lite0.pth", checkpoint_of(backbone(0)))
    with pytest.raises(TrainingError, match=r"lite0\.pth is of another network"):
        backbone(1, path)


def test_it_refuses_a_checkpoint_with_more_layers(tmp_path: Path) -> None:
    arrays = checkpoint_of(backbone(0)) | {"_extra.weight": np.zeros(3, np.float32)}
    path = write_torch_file(tmp_path / "lite0.pth", arrays)
    with pytest.raises(TrainingError, match=r"lite0\.pth is of another network"):
        backbone(0, path)


def test_it_says_where_its_imagenet_weights_are() -> None:
    with pytest.raises(TrainingError, match="pip download --no-deps efficientnet-lite0-pytorch"):
        backbone(0, "imagenet")
