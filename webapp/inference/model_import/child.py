"""The child process of importing: loads a Keras file and rebuilds it with our three outputs."""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.hdf5 import check_archive_weights, check_legacy
from webapp.inference.model_import.keras2 import OPERATOR, Operator, mend
from webapp.inference.model_import.keras_archive import check_archive
from webapp.inference.model_import.keras_scaling import choose_scaling, scale
from webapp.inference.model_import.model_import import ANSWER_FILE, REQUEST_FILE
from webapp.inference.model_import.outputs import as_distribution, features, single_output
from webapp.inference.model_import.steps import Step, unfold
from webapp.inference.models.card import KERAS_FILE
from webapp.inference.models.publish_child import OUTPUTS, main

_MAX_SIDE = 1024


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
    photo = keras.Input((height, width, 3), name="photo")
    steps: list[Step] = []
    # what it answers is looked at before anybody is asked how photos were scaled
    single_output(unfold(steps, network, photo), steps, request["labels"])
    choice = choose_scaling(photo, network, request)
    notes = [choice.why] if choice.why else []
    steps = []
    prepared = scale(photo, choice.name)
    answers = single_output(unfold(steps, network, prepared), steps, request["labels"])
    answers = as_distribution(answers, steps, photo, notes)
    outputs = (answers, *features(steps, request["labels"]))
    named = {
        name: keras.layers.Activation("linear", dtype="float32", name=f"marque_{name}")(output)
        for name, output in zip(OUTPUTS, outputs, strict=True)
    }
    keras.Model(photo, named, name="marque").save(folder / KERAS_FILE)
    return {
        "height": height,
        "width": width,
        "preprocess": choice.name,
        "notes": notes,
        "weights": int(network.count_params()),
    }


def load(path: Path) -> keras.Model:
    """The Keras model in a .keras or .h5 file, checked before Keras opens it. Raises
    `ModelRefusedError`."""
    if path.suffix == ".keras":
        check_archive_weights(path)
        check_archive(path, mend)
    else:
        check_legacy(path)
    try:
        with keras.saving.custom_object_scope({OPERATOR: Operator}):
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _import))
