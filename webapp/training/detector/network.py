"""The detector's network: a narrow MobileNetV2, a feature pyramid, one head for three grids."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
_FEATURES = 64  # of the pyramid and the head
_HEAD_LAYERS = 2
_PRIOR = 0.01  # score of an untrained network, so that the many empty cells do not drown the few
# MobileNetV2 (Sandler et al. 2018, table 2) but for its last block: output features, stride
BLOCKS = (
    *((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1)),
    *((96, 1), (96, 1), (96, 1), (160, 2), (160, 1), (160, 1)),
)
_TAPS = (6, 13)  # blocks whose expanded features the two finer grids see
STEM = 32


def full_widths() -> tuple[int, ...]:
    """The expanded features of MobileNetV2's blocks: six times those of the block before."""
    before = (STEM, *(features for features, _stride in BLOCKS[:-1]))
    return tuple(width if place == 0 else 6 * width for place, width in enumerate(before))


def build_body(photo: keras.KerasTensor, widths: Sequence[int]) -> list[keras.KerasTensor]:
    """MobileNetV2 without its last layer and with BatchNorm folded into the convolutions.

    `widths` are the expanded features of each block. Returns the feature maps of `STRIDES`, then
    the output of every block.
    """
    flow = layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(photo)
    flow = _conv(flow, STEM, 3, stride=2, name="stem")
    taps, outputs = [], []
    for place, ((features, stride), width) in enumerate(zip(BLOCKS, widths, strict=True)):
        name, before = f"block_{place}", flow
        if place:
            flow = _conv(flow, width, 1, name=f"{name}_expand")
        if place in _TAPS:
            taps.append(flow)
        flow = _depthwise(flow, stride, f"{name}_depthwise")
        flow = layers.Conv2D(features, 1, name=f"{name}_project")(flow)
        if stride == 1 and before.shape[-1] == features:
            flow = layers.Add(name=f"{name}_add")([before, flow])
        outputs.append(flow)
    return [*taps, flow, *outputs]


def _conv(
    flow: keras.KerasTensor, features: int, side: int, name: str, stride: int = 1
) -> keras.KerasTensor:
    if stride == 2:  # as in Keras' MobileNetV2, where an even picture is padded below and right
        flow = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(flow)
    padding = "valid" if stride == 2 else "same"
    flow = layers.Conv2D(features, side, strides=stride, padding=padding, name=name)(flow)
    return layers.ReLU(6.0, name=f"{name}_relu")(flow)


def _depthwise(flow: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
    if stride == 2:
        flow = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(flow)
    padding = "valid" if stride == 2 else "same"
    flow = layers.DepthwiseConv2D(3, strides=stride, padding=padding, name=name)(flow)
    return layers.ReLU(6.0, name=f"{name}_relu")(flow)


def build_detector(size: tuple[int, int], widths: Sequence[int]) -> keras.Model:
    """A network for pictures of `size` (height, width), both multiples of 32.

    It takes float32 RGB in 0..255 of shape (batch, height, width, 3) and answers `scores` (batch,
    cells) in 0..1 and `distances` (batch, cells, 4): natural logarithms of how far left, top,
    right and bottom are from the cell's centre, in strides; for the cells of three grids, row by
    row, the finest first: see `webapp.inference.detector.make_grid`.
    """
    photo = keras.Input((*size, 3), name="photo")
    maps = build_body(photo, widths)[: len(STRIDES)]
    sides = [
        layers.Conv2D(_FEATURES, 1, name=f"lateral_{stride}")(flow)
        for stride, flow in zip(STRIDES, maps, strict=True)
    ]
    pyramid = [sides[-1]]
    for side in sides[-2::-1]:  # Lin et al. 2017, "Feature Pyramid Networks for Object Detection"
        above = layers.UpSampling2D(2)(pyramid[0])
        pyramid.insert(0, layers.Add()([side, above]))
    heads = [_head(flow, stride) for stride, flow in zip(STRIDES, pyramid, strict=True)]
    scores = layers.Concatenate(axis=1)([score for score, _distances in heads])
    distances = layers.Concatenate(axis=1, name="distances")([four for _score, four in heads])
    outputs = {"scores": layers.Activation("sigmoid", name="scores")(scores)}
    return keras.Model(photo, outputs | {"distances": distances}, name="detector")


def _head(flow: keras.KerasTensor, stride: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Score before the sigmoid (batch, cells) and distances (batch, cells, 4) of one grid."""
    for place in range(_HEAD_LAYERS):
        flow = _depthwise(flow, 1, f"head_{stride}_{place}_depthwise")
        flow = _conv(flow, _FEATURES, 1, f"head_{stride}_{place}")
    bias = keras.initializers.Constant(float(-np.log((1 - _PRIOR) / _PRIOR)))
    score = layers.Conv2D(1, 1, bias_initializer=bias, name=f"score_{stride}")(flow)
    near = keras.initializers.Constant(float(np.log(2.0)))
    four = layers.Conv2D(4, 1, bias_initializer=near, name=f"distances_{stride}")(flow)
    return layers.Reshape((-1,))(score), layers.Reshape((-1, 4))(four)


def fold_batch_norm(backbone: keras.Model) -> dict[str, list[NDArray[np.float32]]]:
    """Kernels and biases of `build_body` with `full_widths`, by layer, that compute what Keras'
    MobileNetV2 does while its BatchNorm does not learn."""
    names = {"stem": ("Conv1", "bn_Conv1")}
    names["block_0_depthwise"] = ("expanded_conv_depthwise", "expanded_conv_depthwise_BN")
    names["block_0_project"] = ("expanded_conv_project", "expanded_conv_project_BN")
    for place in range(1, len(BLOCKS)):
        for part in ("expand", "depthwise", "project"):
            layer = f"block_{place}_{part}"
            names[layer] = (layer, f"{layer}_BN")
    folded = {}
    for name, (convolution, norm) in names.items():
        (kernel,) = backbone.get_layer(convolution).get_weights()
        gamma, beta, mean, variance = backbone.get_layer(norm).get_weights()
        factor = gamma / np.sqrt(variance + backbone.get_layer(norm).epsilon)
        scaled = kernel * (factor[:, np.newaxis] if "depthwise" in name else factor)
        folded[name] = [scaled, beta - mean * factor]
    return folded
