"""The child process of importing: loads a Keras file and rebuilds it with our three outputs."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.hdf5 import check_archive_weights, check_legacy
from webapp.inference.model_import.keras_archive import check_archive
from webapp.inference.model_import.model_import import ANSWER_FILE, REQUEST_FILE
from webapp.inference.models.card import KERAS_FILE
from webapp.inference.models.publish_child import OUTPUTS, main

_MAX_SIDE = 1024
_EFFECTS = "Brightness Contrast Erasing Flip Hue Rotation Saturation Shear Translation Zoom"
# layers that change photos in training and do nothing afterwards: they are left out
_AUGMENTATION = {"RandAugment", *(f"Random{effect}" for effect in _EFFECTS.split())}
_ARITHMETIC = ("TrueDivide", "Divide", "Multiply", "Subtract", "Add", "GetItem", "Stack")
# Keras' preprocess_input for RGB in 0..255 ("caffe": BGR minus the means of ImageNet; "torch":
# standardised) as kernel and bias of a 1 x 1 convolution: rows are channels in, columns out
_TORCH_SPREAD = np.array([0.229, 0.224, 0.225])
_TORCH_MEAN = np.array([0.485, 0.456, 0.406])
_CONVOLUTIONS = {
    "caffe": (np.eye(3)[::-1], -np.array([103.939, 116.779, 123.68])),
    "torch": (np.diag(1 / (255 * _TORCH_SPREAD)), -_TORCH_MEAN / _TORCH_SPREAD),
}


# the operations of a network that a photo passes, in order, each with input and output
_Steps = list[tuple[Any, Any, Any]]


def _import(folder: Path) -> None:
    request = json.loads((folder / REQUEST_FILE).read_text(encoding="utf-8"))
    answer = rebuild(folder, request)
    (folder / ANSWER_FILE).write_text(json.dumps(answer), encoding="utf-8")


def rebuild(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Write `model.keras` with our outputs, and tell its input, its weights and notes. Raises
    `ModelRefusedError`."""
    network = load(folder / request["file"])
    height, width = _input_size(network, request["size"])
    _check_weights(network)
    notes: list[str] = []
    photo = keras.Input((height, width, 3), name="photo")
    steps: _Steps = []
    scaled, preprocess = _scale(photo, network, request["preprocess"])
    answers = _single_output(_apply(steps, network, scaled))
    if tuple(answers.shape) != (None, request["labels"]):
        raise ModelRefusedError(
            f"The last layer {steps[-1][0].name!r} answers {answers.shape[-1]} numbers for a "
            f"photo, but there are {request['labels']} labels."
        )
    answers = _as_distribution(answers, steps[-1][0], photo, notes)
    outputs = (answers, *_features(steps, request["labels"]))
    named = {
        name: keras.layers.Activation("linear", dtype="float32", name=f"marque_{name}")(output)
        for name, output in zip(OUTPUTS, outputs, strict=True)
    }
    keras.Model(photo, named, name="marque").save(folder / KERAS_FILE)
    return {
        "height": height,
        "width": width,
        "preprocess": preprocess,
        "notes": notes,
        "weights": int(network.count_params()),
    }


def load(path: Path) -> keras.Model:
    """The Keras model in a .keras or .h5 file, checked before Keras opens it. Raises
    `ModelRefusedError`."""
    if path.suffix == ".keras":
        check_archive(path)
        check_archive_weights(path)
    else:
        check_legacy(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds
        kind, text = type(error).__name__, str(error).strip()
        if isinstance(error, MemoryError) or "OOM" in text or "ResourceExhausted" in kind:
            raise ModelRefusedError(
                "It needs more memory than a network in a file of this size may take."
            ) from error
        sentence = (text.splitlines() or [kind])[0].split(". ")[0].rstrip(".")[:300]
        raise ModelRefusedError(f"Keras cannot load it: {sentence}.") from error
    if not isinstance(model, keras.Model) or not hasattr(model, "inputs"):
        raise ModelRefusedError("The file holds no network of Keras' own layers.")
    return model


def _input_size(model: keras.Model, wanted: list[int] | None) -> tuple[int, int]:
    """Height and width of the model's photos. Raises `ModelRefusedError` that names the input."""
    if len(model.inputs) != 1:
        names = ", ".join(repr(tensor.name) for tensor in model.inputs)
        raise ModelRefusedError(
            f"The model has {len(model.inputs)} inputs ({names}); a photo is one."
        )
    shape = tuple(model.inputs[0].shape)
    takes = f"The input {model.inputs[0].name!r} takes"
    if len(shape) != 4:
        raise ModelRefusedError(
            f"{takes} {shape}; a photo has the shape (any number, height, width, 3)."
        )
    if shape[3] != 3:
        channels = "channels first" if shape[1] == 3 else f"{shape[3]} channels"
        channels = "grey pictures" if shape[3] == 1 else channels
        raise ModelRefusedError(
            f"{takes} {channels} {shape}; photos have three colours, in the last place."
        )
    height, width = wanted or shape[1:3]
    if height is None or width is None:
        raise ModelRefusedError(
            f"{takes} photos of any size. Say which it was trained with: --size HxW."
        )
    if shape[1] not in (None, height) or shape[2] not in (None, width):
        raise ModelRefusedError(
            f"{takes} photos of {shape[1]} x {shape[2]}, not {height} x {width}."
        )
    if not all(8 <= side <= _MAX_SIDE for side in (height, width)):
        raise ModelRefusedError(
            f"{takes} photos of {height} x {width}; 8 to {_MAX_SIDE} pixels a side are allowed."
        )
    return int(height), int(width)


def _check_weights(model: keras.Model) -> None:
    for weight in model.weights:
        values = np.asarray(weight)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelRefusedError(
                f"The layer {weight.path.rsplit('/', 1)[0]!r} has weights that are not numbers "
                "(NaN or infinite)."
            )


def _scale(photo: Any, model: keras.Model, preprocess: str) -> tuple[Any, str]:
    """The photo, RGB in 0..255, prepared as the model needs it; and how that was done."""
    if preprocess == "auto":
        preprocess = "none" if _scales_itself(photo, model) else "unit"
    name = "marque_scaling"
    if preprocess in _CONVOLUTIONS:
        kernel, bias = _CONVOLUTIONS[preprocess]
        layer = keras.layers.Conv2D(3, 1, name=name, trainable=False)
        scaled = layer(photo)
        layer.set_weights([kernel.reshape(1, 1, 3, 3).astype(np.float32), bias.astype(np.float32)])
        return scaled, preprocess
    if preprocess == "unit":
        layer = keras.layers.Rescaling(1 / 255, name=name)
    elif preprocess == "minus-one-to-one":
        layer = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=name)
    else:
        layer = keras.layers.Activation("linear", name=name)
    return layer(photo), preprocess


def _single_output(answers: Any) -> Any:
    """The tensor with a number for each label. Raises `ModelRefusedError` without a single one."""
    if isinstance(answers, dict) and set(answers) == set(OUTPUTS):
        answers = answers["probabilities"]
    if isinstance(answers, dict | list | tuple):
        if len(answers) != 1:
            raise ModelRefusedError(
                f"The model has {len(answers)} outputs; "
                "there must be one, with a number for each label."
            )
        answers = next(iter(answers.values() if isinstance(answers, dict) else answers))
    if len(answers.shape) != 2:
        raise ModelRefusedError(
            f"The model answers {tuple(answers.shape)}; "
            "it must be one number for each label: (any number, labels)."
        )
    return answers


def _as_distribution(answers: Any, last: Any, photo: Any, notes: list[str]) -> Any:
    """Probabilities that sum to 1: as they are, or with the softmax that logits lack."""
    pictures = np.random.default_rng(1).integers(0, 256, (3, *photo.shape[1:])).astype(np.float32)
    values = np.asarray(keras.Model(photo, answers)(pictures, training=False))
    if not np.isfinite(values).all():
        raise ModelRefusedError(
            f"The last layer {last.name!r} answers with something that is not a number."
        )
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if activation == "sigmoid":
        raise ModelRefusedError(
            f"The last layer {last.name!r} scores each label by itself (sigmoid); "
            "it must be one softmax over all."
        )
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return answers
    if activation not in ("linear", ""):
        raise ModelRefusedError(
            f"The last layer {last.name!r} ends in {activation!r}; "
            "it must be a softmax, or nothing (logits)."
        )
    notes.append("Its last layer gave logits; a softmax was added.")
    return keras.layers.Softmax(name="marque_softmax")(answers)


def _features(steps: _Steps, labels: int) -> tuple[Any, Any]:
    """Embedding and feature map: the last pooling and its input; without one, the input of the last
    dense layer, with a map of one cell; without that, the last map and its mean."""
    maps = [
        index
        for index, (_layer, _input, output) in enumerate(steps)
        if len(getattr(output, "shape", ())) == 4
    ]
    last_map = maps[-1] if maps else 0
    for layer, features, output in steps[last_map:]:  # earlier poolings only weigh channels
        pools = isinstance(layer, keras.layers.GlobalAveragePooling2D)
        if pools and features.shape[-1] != labels:
            flat = len(output.shape) == 2
            return output if flat else keras.layers.Flatten(name="marque_flat")(output), features
    dense = [features for layer, features, _ in steps if isinstance(layer, keras.layers.Dense)]
    if dense and len(dense[-1].shape) == 2 and dense[-1].shape[-1] != labels:
        cell = keras.layers.Reshape((1, 1, dense[-1].shape[-1]), name="marque_cell")
        return dense[-1], cell(dense[-1])
    for index in reversed(maps):
        output = steps[index][2]
        if output.shape[-1] != labels:
            return keras.layers.GlobalAveragePooling2D(name="marque_pooling")(output), output
    raise ModelRefusedError(
        "The network has no layer before the last one whose features could be kept."
    )


def _apply(steps: _Steps, operation: Any, *arguments: Any, **named: Any) -> Any:
    """Run an operation, or each of those inside it when it is a model, and add it to the steps."""
    if isinstance(operation, keras.Sequential):
        flow = arguments[0]
        for layer in operation.layers:
            flow = _apply(steps, layer, flow)
        return flow
    if isinstance(operation, keras.Model):
        return operation._run_through_graph(
            arguments[0], lambda inner: partial(_apply, steps, inner)
        )
    if type(operation).__name__ in _AUGMENTATION:
        return arguments[0]
    output = operation(*arguments, **named)
    steps.append((operation, arguments[0] if arguments else None, output))
    return output


def _scales_itself(photo: Any, model: keras.Model) -> bool:
    """True when a photo passes scaling or arithmetic before the first layer with weights."""
    steps: _Steps = []
    _apply(steps, model, photo)
    for operation, _input, _output in steps:
        scales = isinstance(operation, keras.layers.Rescaling | keras.layers.Normalization)
        if scales or type(operation).__name__ in _ARITHMETIC:
            return True
        if getattr(operation, "weights", None):
            return False
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _import))
