"""Where a network looked for a label: class activation maps, drawn as an overlay of the photo."""

import io

import numpy as np
from PIL import Image

from webapp.domain import WHOLE_PHOTO, Box, NetworkOutput
from webapp.inference.cars import crop_edges
from webapp.inference.classifier import Floats
from webapp.inference.models.card import InputSpec

_OVERLAY_SIDE = 384  # pixels on the longest side: a map of a few cells has no more to say
_DARKEST = 0.82  # of the photo is taken away where the map is lowest
OVERLAY_TYPE = "image/png"


def class_activation(output: NetworkOutput, head: Floats, place: int) -> Floats:
    """How much each cell of the feature map speaks for the label at `place`: (rows, columns).

    0 is nothing, 1 the most in this photo. The class activation map of Zhou et al. 2016, "Learning
    Deep Features for Discriminative Localization", eq. 2: the features of a cell, weighted by the
    label's weights in the last layer. The weights are taken against the mean over all labels, since
    a softmax knows only differences. What speaks against the label is cut off at 0.
    """
    values = output.feature_map @ (head[place] - head.mean(axis=0))
    return np.asarray(np.maximum(values, 0) / max(float(values.max()), 1e-9), dtype=np.float32)


def draw_overlay(
    activation: Floats, spec: InputSpec, width: int, height: int, box: Box = WHOLE_PHOTO
) -> bytes:
    """A PNG in the shape of the upright photo: black, more transparent where activation is higher.

    The network saw what `box` and its margin cut out; around that it is dark. It undoes the card's
    resize rule: what a crop cut off is dark, what a border added is gone.
    """
    side = _OVERLAY_SIDE / max(width, height)
    size = (max(1, round(width * side)), max(1, round(height * side)))
    left, top, right, bottom = crop_edges(box, *size)
    light = Image.new("F", size)
    light.paste(_spread(activation, spec, (right - left, bottom - top)), (left, top))
    alpha = np.round(255 * _DARKEST * (1 - np.clip(np.asarray(light), 0, 1))).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.dstack([np.zeros_like(alpha), alpha])).save(file, "PNG")
    return file.getvalue()


def _spread(activation: Floats, spec: InputSpec, size: tuple[int, int]) -> Image.Image:
    """The activation over a picture of this size, which the network saw by the card's resize
    rule."""
    field = size  # where the network looked
    if spec.resize != "stretch":
        fits = spec.width / size[0], spec.height / size[1]
        fit = max(fits) if spec.resize == "crop" else min(fits)
        field = round(spec.width / fit) or 1, round(spec.height / fit) or 1
    grid = Image.fromarray(activation).resize(field, Image.Resampling.BICUBIC)
    picture = Image.new("F", size)
    picture.paste(grid, ((size[0] - field[0]) // 2, (size[1] - field[1]) // 2))
    return picture
