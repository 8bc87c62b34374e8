"""The weights that a detector starts from: a pretrained MobileNetV2, made narrower."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from webapp.errors import ModelRefusedError, TrainingError
from webapp.inference.model_import.keras_archive import check_archive
from webapp.training.backbones import build_backbone
from webapp.training.detector.litert_weights import mobilenet_weights
from webapp.training.detector.network import BLOCKS, build_body, fold_batch_norm, full_widths
from webapp.training.detector.recipe import DetectorRecipe
from webapp.training.detector.scenes import SceneMaker
from webapp.training.job import say

_PHOTOS = 120  # views that the narrower network is fitted on
_SAMPLES = 12_000  # places in them that a block is fitted on
_RIDGE = 1e-4  # share of the mean variance that keeps the fit well-posed
_Weights = dict[str, list[NDArray[np.float32]]]
_Doubles = NDArray[np.floating[Any]]


def narrow_widths(share: float) -> tuple[int, ...]:
    """The expanded features of each block when `share` of them stay, in steps of eight."""
    full = full_widths()
    return (full[0], *(max(16, 8 * round(share * width / 8)) for width in full[1:]))


def first_weights(
    network: keras.Model, weights: str | Path, recipe: DetectorRecipe, maker: SceneMaker
) -> None:
    """Set what a network of `build_detector` starts from.

    `weights` are "none", "imagenet" or a file of Keras' MobileNetV2 without its top, the
    `model.keras` of a detector, or a LiteRT file of an SSD on MobileNetV2. Raises `TrainingError`
    if there are none, or they do not fit.
    """
    if weights == "none":
        return
    if Path(weights).suffix == ".keras":
        network.set_weights(_of_version(network, Path(weights)))
        return
    say("making the pretrained network narrower")
    photo = keras.Input((recipe.input.height, recipe.input.width, 3))
    if Path(weights).suffix == ".tflite":
        body = keras.Model(photo, build_body(photo, full_widths()))
        full = mobilenet_weights(Path(weights), _kernel_shapes(body))
    else:
        full = fold_batch_norm(build_backbone("mobilenet_v2", photo, weights))
    rng = np.random.default_rng(recipe.seed)
    photos = np.stack([maker.view(rng).pixels for _ in range(_PHOTOS)])
    set_weights(network, narrow(full, narrow_widths(recipe.width), photos))


def _kernel_shapes(body: keras.Model) -> dict[str, tuple[int, ...]]:
    return {layer.name: tuple(layer.kernel.shape) for layer in body.layers if layer.weights}


def _of_version(network: keras.Model, path: Path) -> list[NDArray[np.float32]]:
    try:
        check_archive(path)
        weights = keras.saving.load_model(path, compile=False, safe_mode=True).get_weights()
    except (OSError, ValueError, KeyError, TypeError, ModelRefusedError) as error:
        raise TrainingError(f"The version {path} cannot be started from: {error}") from error
    if [array.shape for array in weights] != [weight.shape for weight in network.weights]:
        raise TrainingError(f"The version {path} is no detector of this recipe's width.")
    return list(weights)


def narrow(weights: _Weights, widths: Sequence[int], photos: NDArray[np.uint8]) -> _Weights:
    """Weights of `build_body` with `widths`, by layer, from those with `full_widths`.

    Block after block, the expanded features that the block's output on sample `photos` (photos,
    height, width, 3) misses least are dropped one at a time, and the projection of those that stay
    is fitted anew to the full network's output by least squares (He, Zhang and Sun 2017, "Channel
    Pruning for Accelerating Very Deep Neural Networks"; the order of dropping as in Hassibi and
    Stork 1993, "Optimal Brain Surgeon").
    """
    weights = dict(weights)
    photo = keras.Input((*photos.shape[1:3], 3))
    full = _with_weights(photo, full_widths(), weights)
    wanted = _outputs(full, photos)
    for place in range(1, len(BLOCKS)):
        sizes = (*widths[:place], *full_widths()[place:])
        network = _with_weights(photo, sizes, weights)
        tail = network.get_layer(f"block_{place}_depthwise_relu").output
        before = network.get_layer(f"block_{place}_expand").input
        hidden, entering = _outputs(keras.Model(photo, [tail, before]), photos)
        target = wanted[place]
        if network.get_layer(f"block_{place}_project").output is not network.outputs[place]:
            target = target - entering  # what the shortcut brings need not be projected
        rng = np.random.default_rng(place)
        hidden, target = (flow.reshape(-1, flow.shape[-1]) for flow in (hidden, target))
        rows = rng.permutation(len(target))[:_SAMPLES]
        kept, kernel, bias = _fit(hidden[rows], target[rows], widths[place])
        name = f"block_{place}"
        weights[f"{name}_expand"] = [array[..., kept] for array in weights[f"{name}_expand"]]
        depthwise, offset = weights[f"{name}_depthwise"]
        weights[f"{name}_depthwise"] = [depthwise[:, :, kept], offset[kept]]
        weights[f"{name}_project"] = [kernel[np.newaxis, np.newaxis], bias]
    return weights


def _fit(
    hidden: NDArray[np.float32], target: NDArray[np.float32], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Which `count` features of `hidden` (rows, features) best give `target` (rows, outputs), and
    the kernel (count, outputs) and bias (outputs,) that do it."""
    mean, middle = hidden.mean(0, dtype=np.float64), target.mean(0, dtype=np.float64)
    centred, wanted = hidden - mean, target - middle
    moments: _Doubles = centred.T @ centred / len(hidden)
    moments += _RIDGE * np.trace(moments) / len(moments) * np.eye(len(moments))
    cross: _Doubles = centred.T @ wanted / len(hidden)
    inverse: NDArray[Any] = np.linalg.inv(moments)
    kept = np.arange(len(moments))
    while len(kept) > count:
        kernel = inverse @ cross[kept]
        costs = (kernel**2).sum(1) / np.diag(inverse)
        worst = int(np.argmin(costs))
        rest = np.delete(np.arange(len(kept)), worst)
        column = inverse[rest, worst]
        inverse = inverse[np.ix_(rest, rest)] - np.outer(column, column) / inverse[worst, worst]
        kept = kept[rest]
    kernel = np.linalg.solve(moments[np.ix_(kept, kept)], cross[kept])
    bias = middle - mean[kept] @ kernel
    return kept, kernel.astype(np.float32), bias.astype(np.float32)


def _with_weights(
    photo: keras.KerasTensor, widths: Sequence[int], weights: _Weights
) -> keras.Model:
    """The body with these weights; it answers the output of every block."""
    network = keras.Model(photo, build_body(photo, widths)[3:])
    set_weights(network, weights)
    return network


def set_weights(network: keras.Model, weights: _Weights) -> None:
    """Set the layers of a network that `weights` names."""
    for name, arrays in weights.items():
        network.get_layer(name).set_weights(arrays)


def _outputs(network: keras.Model, photos: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    batches = [photos[start : start + 16] for start in range(0, len(photos), 16)]
    answers = [network(batch.astype(np.float32), training=False) for batch in batches]
    return [
        np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*answers, strict=True)
    ]
