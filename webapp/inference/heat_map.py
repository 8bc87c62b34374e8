"""Where a network looked for a label: class activation maps, drawn as an overlay of the photo."""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webapp.domain import NetworkOutput
from webapp.inference.classifier import Floats, scale
from webapp.inference.models.card import InputSpec, ModelCard

_OVERLAY_SIDE = 384  # pixels on the longest side: a map of a few cells has no more to say
_DARKEST = 0.82  # of the photo is taken away where the map is lowest
OVERLAY_TYPE = "image/png"


def find_head(
    arrays: Iterable[NDArray[np.generic]], output: NetworkOutput, card: ModelCard
) -> Floats | None:
    """The last layer's weights among a network's constants: float32 of shape (labels, features).

    They are recognised by what they do: the embedding must be the mean of the feature map, and the
    weights, with one of the constants as bias, must give the probabilities of `output` from its
    embedding. None if there are none, as class activation maps would mean nothing then.
    """
    labels, features = len(card.labels), len(output.embedding)
    rows = output.feature_map.mean(axis=(0, 1))
    if rows.shape != (features,) or not np.allclose(
        rows, output.embedding, rtol=1e-2, atol=1e-3 * float(np.abs(rows).max() or 1.0)
    ):
        return None
    constants = [array.astype(np.float32) for array in arrays if array.dtype.kind == "f"]
    kernels = [array for array in constants if array.shape == (labels, features)]
    kernels += [array.T for array in constants if array.shape == (features, labels)]
    biases = [array for array in constants if array.shape == (labels,)]
    biases.append(np.zeros(labels, np.float32))
    for kernel in kernels:
        for bias in biases:
            logits = kernel @ output.embedding + bias
            raw = np.exp(logits - logits.max())
            if np.allclose(
                scale(raw / raw.sum(), card.temperature), output.probabilities, atol=2e-3
            ):
                return kernel
    return None


def class_activation(output: NetworkOutput, head: Floats, place: int) -> Floats:
    """How much each cell of the feature map speaks for the label at `place`: (rows, columns).

    0 is nothing, 1 the most in this photo. The class activation map of Zhou et al. 2016, "Learning
    Deep Features for Discriminative Localization", eq. 2: the features of a cell, weighted by the
    label's weights in the last layer. The weights are taken against the mean over all labels, since
    a softmax knows only differences. What speaks against the label is cut off at 0.
    """
    values = output.feature_map @ (head[place] - head.mean(axis=0))
    return np.asarray(np.maximum(values, 0) / max(float(values.max()), 1e-9), dtype=np.float32)


def draw_overlay(activation: Floats, spec: InputSpec, width: int, height: int) -> bytes:
    """A PNG in the shape of the upright photo: black, more transparent where activation is higher.

    It undoes the card's resize rule: what a crop cut off is dark, what a border added is gone.
    """
    side = _OVERLAY_SIDE / max(width, height)
    size = (max(1, round(width * side)), max(1, round(height * side)))
    field = size  # where the network looked, in pixels of the overlay
    if spec.resize != "stretch":
        fits = spec.width / width, spec.height / height
        scale_back = side / (max(fits) if spec.resize == "crop" else min(fits))
        field = round(spec.width * scale_back) or 1, round(spec.height * scale_back) or 1
    grid = Image.fromarray(activation).resize(field, Image.Resampling.BICUBIC)
    light = Image.new("F", size)
    light.paste(grid, ((size[0] - field[0]) // 2, (size[1] - field[1]) // 2))
    alpha = np.round(255 * _DARKEST * (1 - np.clip(np.asarray(light), 0, 1))).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.dstack([np.zeros_like(alpha), alpha])).save(file, "PNG")
    return file.getvalue()
