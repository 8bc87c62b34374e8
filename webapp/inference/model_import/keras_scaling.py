"""How photos were prepared for a Keras network: what its first layers tell; the layer for it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from webapp.inference.model_import.labelled_photos import read_photos
from webapp.inference.model_import.model_import import TEACHABLE_MACHINE
from webapp.inference.model_import.outputs import as_distribution, single_output
from webapp.inference.model_import.scaling import (
    SCALINGS,
    Choice,
    Floats,
    from_first_layers,
    refuse,
    try_scalings,
)
from webapp.inference.model_import.steps import Step, unfold

_ARITHMETIC = ("TrueDivide", "Divide", "Multiply", "Subtract", "Add")


def choose_scaling(photo: Any, model: keras.Model, request: dict[str, Any]) -> Choice:
    """How photos, RGB in 0..255, are prepared for the model, and why. Raises `ModelRefusedError`
    when nothing tells it."""
    if request["preprocess"] != "auto":
        return Choice(request["preprocess"], "")
    scaled = _first_layers(photo, model)
    if scaled is not None and (choice := from_first_layers(scaled)):
        return choice
    if scaled is None and request["maker"] == TEACHABLE_MACHINE:
        return Choice("minus-one-to-one", "Teachable Machine trains with photos of -1 to 1.")
    if not request["photos"]:
        raise refuse()
    steps: list[Step] = []
    answers = single_output(unfold(steps, model, photo), steps, request["labels"])
    network = keras.Model(photo, as_distribution(answers, steps, photo, []))
    photos, truths = read_photos(request, photo.shape[1], photo.shape[2])
    return try_scalings(lambda batch: network.predict(batch, verbose=0), photos, truths)


def scale(photo: Any, preprocess: str) -> Any:
    """The photo, RGB in 0..255, prepared as the model needs it, by a layer."""
    name = "marque_scaling"
    if preprocess in ("caffe", "torch"):
        kernel, bias = SCALINGS[preprocess]
        layer = keras.layers.Conv2D(3, 1, name=name, trainable=False)
        scaled = layer(photo)
        layer.set_weights([kernel.reshape(1, 1, 3, 3), bias])
        return scaled
    if preprocess == "unit":
        return keras.layers.Rescaling(1 / 255, name=name)(photo)
    if preprocess == "minus-one-to-one":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=name)(photo)
    return keras.layers.Activation("linear", name=name)(photo)


def _first_layers(photo: Any, model: keras.Model) -> Callable[[float], Floats] | None:
    """What the layers before the first with filters make of the middle of a grey photo of a value;
    None when they do not scale. A first BatchNormalization scales by its moving averages."""
    steps: list[Step] = []
    unfold(steps, model, photo)
    scaled, mean, deviation, scales = photo, np.zeros(3), np.ones(3), False
    for operation, before, after in steps:
        if isinstance(operation, keras.layers.BatchNormalization):
            mean = np.asarray(operation.moving_mean)
            deviation = np.sqrt(np.asarray(operation.moving_variance) + operation.epsilon)
            scaled, scales = before, scales or bool(mean.any())
            break
        normalizes = isinstance(operation, keras.layers.Normalization)
        if getattr(operation, "weights", None) and not normalizes:
            break
        if tuple(getattr(after, "shape", ()))[3:] == (3,):  # not a channel by itself
            scaled = after
        scales |= normalizes or isinstance(operation, keras.layers.Rescaling)
        scales |= type(operation).__name__ in _ARITHMETIC
    if not scales:
        return None
    first = keras.Model(photo, scaled)

    def middle(value: float) -> Floats:
        grey = np.full((1, *photo.shape[1:]), value, np.float32)
        pixels = np.asarray(first(grey, training=False))
        pixel = pixels[0, pixels.shape[1] // 2, pixels.shape[2] // 2]
        return np.asarray((pixel - mean) / deviation, np.float32)

    return middle
