"""The child process of importing: load a foreign Keras file, rebuild it with our three outputs. Run as `python -m … FOLDER`."""

import json
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from webapp.errors import MarqueError, ModelRefusedError
from webapp.inference.model_import.hdf5 import (
    check_archive_weights,
    check_hdf5,
    describe_again,
    network_of,
)
from webapp.inference.model_import.keras_archive import check_archive, check_config
from webapp.inference.model_import.model_import import (
    ANSWER_FILE,
    HDF5_MARK,
    REQUEST_FILE,
    ZIP_MARK,
)
from webapp.inference.models.card import KERAS_FILE
from webapp.inference.models.publish import REFUSAL_FILE
from webapp.inference.models.publish_child import OUTPUTS, REFUSED, limit

LARGEST_SIDE = 1024
RANDOM = (
    "Brightness",
    "Contrast",
    "Erasing",
    "Flip",
    "Hue",
    "Rotation",
    "Saturation",
    "Shear",
    "Translation",
    "Zoom",
)
AUGMENTATION = {
    "RandAugment",
    *(f"Random{what}" for what in RANDOM),
}  # changes photos in training, does nothing afterwards: left out
ARITHMETIC = ("TrueDivide", "Divide", "Multiply", "Subtract", "Add", "GetItem", "Stack")
# What Keras' own preprocess_input does to RGB in 0..255 ("caffe": BGR minus the means of ImageNet; "torch": standardised), as one 1 x 1
# convolution: rows are the channels in, columns the channels out.
CAFFE = (np.eye(3)[::-1], -np.array([103.939, 116.779, 123.68]))
TORCH_SPREAD = np.array([0.229, 0.224, 0.225])
TORCH = (np.diag(1 / (255 * TORCH_SPREAD)), -np.array([0.485, 0.456, 0.406]) / TORCH_SPREAD)


@dataclass
class Trail:
    """What a photo goes through in a network, in order: each operation with what went in and what came out."""

    steps: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def apply(self, operation: Any, *arguments: Any, **named: Any) -> Any:
        """Run an operation, or each of those inside it when it is a model."""
        if isinstance(operation, keras.Sequential):
            flow = arguments[0]
            for layer in operation.layers:
                flow = self.apply(layer, flow)
            return flow
        if isinstance(operation, keras.Model):
            return operation._run_through_graph(
                arguments[0], lambda inner: partial(self.apply, inner)
            )
        if type(operation).__name__ in AUGMENTATION:
            return arguments[0]
        outcome = operation(*arguments, **named)
        self.steps.append((operation, arguments[0] if arguments else None, outcome))
        return outcome


def main(arguments: list[str]) -> int:
    """Rebuild what the folder's request names. Exit status 3 and a sentence in a file when it is refused."""
    folder, seconds, gigabytes = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    limit(seconds, gigabytes)
    try:
        request = json.loads((folder / REQUEST_FILE).read_text(encoding="utf-8"))
        answer = rebuild(folder, request)
        (folder / ANSWER_FILE).write_text(json.dumps(answer), encoding="utf-8")
    except MarqueError as error:
        (folder / REFUSAL_FILE).write_text(str(error), encoding="utf-8")
        return REFUSED
    return 0


def rebuild(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Write `model.keras` with our outputs. Returns its height and width and notes about what was found. Raises `ModelRefusedError`."""
    foreign = load(folder / request["file"])
    height, width = input_size(foreign, request["size"])
    check_weights(foreign)
    notes: list[str] = []
    photo = keras.Input((height, width, 3), name="photo")
    trail = Trail()
    scaled, how = scaling(photo, foreign, request["preprocess"])
    answers = one_answer(trail.apply(foreign, scaled))
    if tuple(answers.shape) != (None, request["labels"]):
        raise ModelRefusedError(
            f"The last layer {trail.steps[-1][0].name!r} answers {answers.shape[-1]} numbers for a photo, but there are "
            f"{request['labels']} labels."
        )
    answers = as_distribution(answers, trail, photo, notes)
    embedding, feature_map = features(trail, request["labels"])
    named = (
        keras.layers.Activation("linear", dtype="float32", name=f"marque_{name}")(one)
        for name, one in zip(OUTPUTS, (answers, embedding, feature_map), strict=True)
    )
    model = keras.Model(photo, dict(zip(OUTPUTS, named, strict=True)), name="marque")
    model.save(folder / KERAS_FILE)
    return {
        "height": height,
        "width": width,
        "preprocess": how,
        "notes": notes,
        "weights": int(foreign.count_params()),
    }


def load(path: Path) -> keras.Model:
    """The Keras model in a file, looked at before Keras sees it. Raises `ModelRefusedError`."""
    with path.open("rb") as file:
        mark = file.read(8)
    if mark.startswith(ZIP_MARK):
        check_archive(path)
        check_archive_weights(path)
        path = path.rename(
            path.with_name("foreign.keras")
        )  # Keras tells the formats apart by the name
    elif mark == HDF5_MARK:
        check_hdf5(path)
        config = network_of(path)
        check_config(config)
        if mend(config):
            describe_again(path, config)
        path = path.rename(path.with_name("foreign.h5"))
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds; each means the same to us
        if (
            isinstance(error, MemoryError)
            or "OOM" in str(error)
            or "ResourceExhausted" in type(error).__name__
        ):
            raise ModelRefusedError(
                "It needs more memory than a network in a file of this size may take."
            ) from error
        raise ModelRefusedError(f"Keras cannot load it: {_first_sentence(error)}") from error
    if not isinstance(model, keras.Model) or not hasattr(model, "inputs"):
        raise ModelRefusedError("The file holds no network with layers of Keras' own.")
    return model


def mend(config: dict[str, Any]) -> bool:
    """Take out of a description by Keras 2 what Keras 3 does not know any more; True when something was changed."""
    changed = False
    waiting: list[Any] = [config]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            inside = one.get("config")
            if isinstance(inside, dict):
                if (
                    one.get("class_name") == "DepthwiseConv2D"
                    and inside.pop("groups", None) is not None
                ):
                    changed = True
                if one.get("class_name") == "BatchNormalization" and isinstance(
                    inside.get("axis"), list
                ):
                    inside["axis"] = inside["axis"][0]
                    changed = True
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return changed


def input_size(model: keras.Model, wanted: list[int] | None) -> tuple[int, int]:
    """Height and width of the photos that the model takes. Raises `ModelRefusedError` that names the input that is wrong."""
    if len(model.inputs) != 1:
        names = ", ".join(repr(one.name) for one in model.inputs)
        raise ModelRefusedError(
            f"The model has {len(model.inputs)} inputs ({names}); a photo is one."
        )
    entry = model.inputs[0]
    shape = tuple(entry.shape)
    if len(shape) != 4:
        raise ModelRefusedError(
            f"The input {entry.name!r} takes {shape}; a photo has the shape (any number, height, width, 3)."
        )
    if shape[3] != 3:
        what = (
            "grey pictures"
            if shape[3] == 1
            else "channels first"
            if shape[1] == 3
            else f"{shape[3]} channels"
        )
        raise ModelRefusedError(
            f"The input {entry.name!r} takes {what} {shape}; photos have three colours, in the last place."
        )
    size = tuple(wanted) if wanted else (shape[1], shape[2])
    for ours, theirs in zip(size, shape[1:3], strict=True):
        if ours is None:
            raise ModelRefusedError(
                f"The input {entry.name!r} takes photos of any size. Say which it was trained with: --size HxW."
            )
        if theirs not in (None, ours):
            raise ModelRefusedError(
                f"The input {entry.name!r} takes photos of {shape[1]} x {shape[2]}, not {size[0]} x {size[1]}."
            )
    if not all(8 <= side <= LARGEST_SIDE for side in size):
        raise ModelRefusedError(
            f"The input {entry.name!r} takes photos of {size[0]} x {size[1]}; 8 to {LARGEST_SIDE} pixels a side are taken."
        )
    return int(size[0]), int(size[1])


def check_weights(model: keras.Model) -> None:
    """Raise `ModelRefusedError` that names the layer when a weight is not a number."""
    for weight in model.weights:
        values = np.asarray(weight)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelRefusedError(
                f"The layer {weight.path.rsplit('/', 1)[0]!r} has weights that are not numbers (NaN or infinite)."
            )


def scaling(photo: Any, model: keras.Model, wanted: str) -> tuple[Any, str]:
    """The photo, RGB in 0..255, as the model wants it; and how that was done. "auto" trusts a model that scales by itself."""
    how = wanted if wanted != "auto" else "none" if _scales_itself(photo, model) else "unit"
    if how == "unit":
        return keras.layers.Rescaling(1 / 255, name="marque_scaling")(photo), how
    if how == "minus-one-to-one":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="marque_scaling")(photo), how
    if how in ("caffe", "torch"):
        kernel, offset = CAFFE if how == "caffe" else TORCH
        layer = keras.layers.Conv2D(3, 1, name="marque_scaling", trainable=False)
        scaled = layer(photo)
        layer.set_weights(
            [kernel.reshape(1, 1, 3, 3).astype(np.float32), offset.astype(np.float32)]
        )
        return scaled, how
    return keras.layers.Activation("linear", name="marque_scaling")(photo), how


def one_answer(answers: Any) -> Any:
    """The one tensor with a number for each label. Raises `ModelRefusedError` when there are several or it is a picture."""
    if isinstance(answers, dict) and set(answers) == set(OUTPUTS):
        answers = answers["probabilities"]
    if isinstance(answers, dict | list | tuple):
        if len(answers) != 1:
            raise ModelRefusedError(
                f"The model has {len(answers)} outputs; one is wanted, with a number for each label."
            )
        answers = next(iter(answers.values() if isinstance(answers, dict) else answers))
    if len(answers.shape) != 2:
        raise ModelRefusedError(
            f"The model answers {tuple(answers.shape)}; one number for each label is wanted: (any number, labels)."
        )
    return answers


def as_distribution(answers: Any, trail: Trail, photo: Any, notes: list[str]) -> Any:
    """Probabilities that sum to 1: as they are, or with the softmax that logits lack. Raises `ModelRefusedError` for independent scores."""
    last = trail.steps[-1][0]
    pictures = np.random.default_rng(1).integers(0, 256, (3, *photo.shape[1:])).astype(np.float32)
    values = np.asarray(keras.Model(photo, answers)(pictures, training=False))
    if not np.isfinite(values).all():
        raise ModelRefusedError(
            f"The last layer {last.name!r} answers with something that is not a number."
        )
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if activation == "sigmoid":
        raise ModelRefusedError(
            f"The last layer {last.name!r} scores each label by itself (sigmoid); one softmax over all is wanted."
        )
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return answers
    if activation not in ("linear", ""):
        raise ModelRefusedError(
            f"The last layer {last.name!r} ends in {activation!r}; a softmax, or nothing (logits), is wanted."
        )
    notes.append("Its last layer gave logits; a softmax was added.")
    return keras.layers.Softmax(name="marque_softmax")(answers)


def features(trail: Trail, labels: int) -> tuple[Any, Any]:
    """Embedding and feature map: the last pooling and what went into it, else the input of the last dense layer as a map of one cell."""
    maps = [
        place
        for place, (_layer, _inside, out) in enumerate(trail.steps)
        if len(getattr(out, "shape", ())) == 4
    ]
    for layer, inside, out in trail.steps[
        maps[-1] if maps else 0 :
    ]:  # a pooling before the last map only weighs channels
        if isinstance(layer, keras.layers.GlobalAveragePooling2D) and inside.shape[-1] != labels:
            return (
                out if len(out.shape) == 2 else keras.layers.Flatten(name="marque_flat")(out)
            ), inside
    dense = [inside for layer, inside, _out in trail.steps if isinstance(layer, keras.layers.Dense)]
    if dense and len(dense[-1].shape) == 2 and dense[-1].shape[-1] != labels:
        return dense[-1], keras.layers.Reshape((1, 1, dense[-1].shape[-1]), name="marque_cell")(
            dense[-1]
        )
    for _layer, _inside, out in reversed(trail.steps):
        if len(getattr(out, "shape", ())) == 4 and out.shape[-1] != labels:
            return keras.layers.GlobalAveragePooling2D(name="marque_pooling")(out), out
    raise ModelRefusedError(
        "The network has no layer before the last one whose features could be kept."
    )


def _scales_itself(photo: Any, model: keras.Model) -> bool:
    """True when a photo goes through a layer that scales, or through arithmetic, before the first layer that has learnt."""
    trail = Trail()
    trail.apply(model, photo)
    for operation, _inside, _out in trail.steps:
        if (
            isinstance(operation, keras.layers.Rescaling | keras.layers.Normalization)
            or type(operation).__name__ in ARITHMETIC
        ):
            return True
        if getattr(operation, "weights", None):
            return False
    return False


def _first_sentence(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.split(". ")[0].rstrip(".")[:300] + "."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
