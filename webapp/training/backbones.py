"""The backbones by name: each takes RGB in 0..255, scales it as its weights expect, and answers its last feature map."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from webapp.errors import ModelRefusedError, TrainingError
from webapp.inference.model_import.keras_archive import check_archive

MEAN = np.array(
    [0.485, 0.456, 0.406], dtype=np.float32
)  # of ImageNet's red, green and blue in 0..1
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
CAFFE_MEAN = (
    123.68,
    116.779,
    103.939,
)  # of ImageNet's red, green and blue in 0..255, as ResNet50's weights expect it
Weights = list[NDArray[Any]]


@dataclass(frozen=True)
class Backbone:
    """One kind. `build` makes its layers on a photo; `twin` makes the Keras Application whose weights fit, from "imagenet" or None."""

    build: Callable[[keras.KerasTensor], keras.Model]
    twin: Callable[..., keras.Model] | None = None
    adopt: Callable[[Weights, Weights], Weights] | None = (
        None  # how the twin's weights become ours, where they differ
    )
    flat: bool = False  # the embedding is a dense layer over all places of the feature map instead of their mean


def build_backbone(name: str, photo: keras.KerasTensor, weights: str | Path) -> keras.Model:
    """The backbone `name` on the input `photo` with its weights: "none" for random ones, "imagenet" from Keras, or a weights file.

    A file is one of the Keras Application without its top, or the `model.keras` of a version with the same backbone. Raises
    `TrainingError` when there is none or it does not fit.
    """
    kind = BACKBONES[name]
    body = kind.build(photo)
    if weights != "none":
        body.set_weights(_pretrained(name, kind, body, weights))
    for layer in body.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.load_own_variables({"0": MEAN, "1": DEVIATION**2, "2": np.array(0)})
    return body


def _pretrained(name: str, kind: Backbone, body: keras.Model, weights: str | Path) -> Weights:
    height, width = body.input_shape[1:3]
    if Path(weights).suffix == ".keras":
        return _from_version(body, Path(weights))
    if kind.twin is None:
        if weights == "imagenet":
            raise TrainingError(f"The backbone {name} has no ImageNet weights; use --weights none.")
        return _from_file(body, Path(weights))
    if weights == "imagenet":
        theirs = _from_keras(name, kind.twin, (height, width, 3))
    else:
        theirs = _from_file(
            kind.twin(include_top=False, weights=None, input_shape=(height, width, 3)),
            Path(weights),
        )
    return kind.adopt(theirs, body.get_weights()) if kind.adopt else theirs


def _from_keras(
    name: str, twin: Callable[..., keras.Model], shape: tuple[int, int, int]
) -> Weights:
    try:
        return list(twin(include_top=False, weights="imagenet", input_shape=shape).get_weights())
    except Exception as error:  # Keras raises a plain Exception when the download fails
        raise TrainingError(
            f"The ImageNet weights of {name} could not be downloaded: {error}. Without internet start from a version that is here "
            "(--weights stanford-cars@1), from a file (--weights FILE), or from nothing (--weights none)."
        ) from error


def _from_version(body: keras.Model, path: Path) -> Weights:
    """The backbone's part of a version of ours: its weights come first there, the last layer's after them."""
    try:
        check_archive(path)
        theirs = keras.saving.load_model(path, compile=False, safe_mode=True).get_weights()[
            : len(body.weights)
        ]
    except (OSError, ValueError, KeyError, TypeError, ModelRefusedError) as error:
        raise TrainingError(f"The version {path} cannot be started from: {error}") from error
    if [one.shape for one in theirs] != [tuple(one.shape) for one in body.weights]:
        raise TrainingError(f"The version {path} has another backbone.")
    return list(theirs)


def _from_file(model: keras.Model, path: Path) -> Weights:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", UserWarning
            )  # Keras only warns when a file leaves layers as they were
            model.load_weights(path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise TrainingError(
            f"The weights file {path.name} does not fit the backbone: {error}"
        ) from error
    return list(model.get_weights())


# ---- Keras Applications ----


def between_ones(
    application: Callable[..., keras.Model], **more: Any
) -> Callable[[keras.KerasTensor], keras.Model]:
    """An application that wants -1..1."""

    def build(photo: keras.KerasTensor) -> keras.Model:
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(photo)
        return application(input_tensor=scaled, include_top=False, weights=None, **more)

    return build


def as_it_is(application: Callable[..., keras.Model]) -> Callable[[keras.KerasTensor], keras.Model]:
    """An application that scales 0..255 itself."""
    return lambda photo: application(input_tensor=photo, include_top=False, weights=None)


def resnet50(photo: keras.KerasTensor) -> keras.Model:
    """ResNet50 (He et al. 2015): 23.6 million weights, 2,048 features. Its weights expect blue first; ours are turned round instead."""
    centred = keras.layers.Rescaling(1.0, offset=[-value for value in CAFFE_MEAN], name="scaling")(
        photo
    )
    return keras.applications.ResNet50(input_tensor=centred, include_top=False, weights=None)


def red_first(theirs: Weights, _ours: Weights) -> Weights:
    """The weights of a network that expects blue, green, red, for red, green, blue: the first kernel's channels turned round."""
    return [theirs[0][:, :, ::-1], *theirs[1:]]


# ---- networks of plain layers ----


def convnext_tiny(photo: keras.KerasTensor) -> keras.Model:
    """ConvNeXt Tiny (Liu et al. 2022): 27.8 million weights, 768 features. As in Keras, but of plain layers, none inside another."""
    flow = keras.layers.Normalization(
        mean=MEAN * 255, variance=(DEVIATION * 255) ** 2, name="scaling"
    )(photo)
    for stage, (depth, width) in enumerate(zip((3, 3, 9, 3), (96, 192, 384, 768), strict=True)):
        if stage == 0:
            flow = _layer_norm()(keras.layers.Conv2D(width, 4, strides=4)(flow))
        else:
            flow = keras.layers.Conv2D(width, 2, strides=2)(_layer_norm()(flow))
        for _ in range(depth):
            branch = _layer_norm()(keras.layers.DepthwiseConv2D(7, padding="same")(flow))
            branch = keras.layers.Activation("gelu")(keras.layers.Dense(4 * width)(branch))
            branch = keras.layers.Dense(width)(branch)
            scaled = keras.layers.DepthwiseConv2D(
                1, use_bias=False, depthwise_initializer=keras.initializers.Constant(1e-6)
            )(branch)
            flow = keras.layers.Add()([flow, scaled])
    return keras.Model(photo, _layer_norm()(flow))


def depthwise(theirs: Weights, ours: Weights) -> Weights:
    """Keras' ConvNeXt has grouped convolutions and scales where ours has depthwise convolutions: the same numbers in other shapes."""
    return [
        new
        if new.shape == old.shape
        else new.transpose(0, 1, 3, 2)
        if new.ndim == 4
        else new.reshape(old.shape)
        for new, old in zip(theirs, ours, strict=True)
    ]


def plain_cnn(photo: keras.KerasTensor) -> keras.Model:
    """The network of the earlier Formula One service, for comparison: three convolutions of 16, 32 and 16 filters, meant for 256 x 256."""
    flow = keras.layers.Rescaling(1 / 255.0, name="scaling")(photo)
    for filters in (16, 32, 16):
        flow = keras.layers.MaxPooling2D()(keras.layers.Conv2D(filters, 3, activation="relu")(flow))
    return keras.Model(photo, flow)


def small_cnn(photo: keras.KerasTensor) -> keras.Model:
    """Three convolutions, 32 features: to try a recipe in seconds."""
    flow = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(photo)
    for filters in (8, 16, 32):
        flow = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(flow)
        flow = keras.layers.ReLU()(keras.layers.BatchNormalization()(flow))
    return keras.Model(photo, flow)


def _layer_norm() -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=1e-6)


def _scaling_itself(application: Callable[..., keras.Model]) -> Backbone:
    return Backbone(as_it_is(application), application)


def _wanting_ones(application: Callable[..., keras.Model], **more: Any) -> Backbone:
    return Backbone(between_ones(application, **more), application)


BACKBONES = {
    "mobilenet_v2": _wanting_ones(keras.applications.MobileNetV2),
    "mobilenet_v3_small": _wanting_ones(
        keras.applications.MobileNetV3Small, include_preprocessing=False
    ),
    "mobilenet_v3_large": _wanting_ones(
        keras.applications.MobileNetV3Large, include_preprocessing=False
    ),
    "resnet50": Backbone(resnet50, keras.applications.ResNet50, red_first),
    "resnet50_v2": _wanting_ones(keras.applications.ResNet50V2),
    **{
        f"efficientnet_b{size}": _scaling_itself(
            getattr(keras.applications, f"EfficientNetB{size}")
        )
        for size in range(8)
    },
    **{
        f"efficientnet_v2_b{size}": _scaling_itself(
            getattr(keras.applications, f"EfficientNetV2B{size}")
        )
        for size in range(4)
    },
    "efficientnet_v2_s": _scaling_itself(keras.applications.EfficientNetV2S),
    "convnext_tiny": Backbone(convnext_tiny, keras.applications.ConvNeXtTiny, depthwise),
    "plain_cnn": Backbone(plain_cnn, flat=True),
    "small_cnn": Backbone(small_cnn),
}
