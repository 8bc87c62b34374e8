"""The three outputs of a rebuilt Keras network: probabilities, embedding and feature map."""

from typing import Any

import keras
import numpy as np

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.steps import Step
from webapp.inference.models.publish_child import OUTPUTS

# operations that leave their input's numbers as they are
_PASSING = {"Cast", "Dropout", "Flatten", "Identity", "Permute", "Reshape", "Squeeze", "Transpose"}
# operations without an activation that logits may come from
_LINEAR = {
    *("Add", "BatchNormalization", "Divide", "GlobalAveragePooling2D", "LogSoftmax", "Matmul"),
    *("Mean", "Multiply", "Rescaling", "Subtract", "TrueDivide"),
}


def single_output(answers: Any, steps: list[Step], labels: int) -> Any:
    """The tensor of shape (None, labels). Raises `ModelRefusedError` without a single one."""
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
    if answers.shape[1] != labels:
        raise ModelRefusedError(
            f"The last layer {steps[-1].operation.name!r} answers {answers.shape[1]} numbers for a "
            f"photo, but there are {labels} labels."
        )
    return answers


def as_distribution(answers: Any, steps: list[Step], photo: Any, notes: list[str]) -> Any:
    """Probabilities that sum to 1: as they are, or with the softmax that logits lack."""
    pictures = np.random.default_rng(1).integers(0, 256, (3, *photo.shape[1:])).astype(np.float32)
    values = np.asarray(keras.Model(photo, answers)(pictures, training=False))
    name, activation = _last_activation(steps)
    if not np.isfinite(values).all():
        raise ModelRefusedError(
            f"The last layer {name!r} answers with something that is not a number."
        )
    check_activation(name, activation)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return answers
    if activation != "linear":
        raise ModelRefusedError(
            f"The last layer {name!r} ends in {activation!r}; "
            "it must be a softmax, or nothing (logits)."
        )
    notes.append(LOGITS)
    return keras.layers.Softmax(name="marque_softmax")(answers)


LOGITS = "Its last layer gave logits; a softmax was added."


def check_activation(name: str, activation: str) -> None:
    """Raise `ModelRefusedError` for an output whose labels are scored each by itself."""
    if activation == "sigmoid":
        raise ModelRefusedError(
            f"The last layer {name!r} scores each label by itself (sigmoid); "
            "it must be one softmax over all."
        )


def _last_activation(steps: list[Step]) -> tuple[str, str]:
    """The name of the last layer that computes, and its activation, "linear" without one."""
    operation = steps[-1].operation
    for operation, _input, _output in reversed(steps):
        kind = type(operation).__name__
        activation = getattr(getattr(operation, "activation", None), "__name__", "")
        if kind in _PASSING or (kind == "Activation" and activation == "linear"):
            continue
        if not activation:
            activation = "linear" if kind in _LINEAR else kind.lower()
        return operation.name, activation
    return operation.name, "linear"


def features(steps: list[Step], labels: int) -> tuple[Any, Any]:
    """Embedding and feature map: the last pooling and its input; without one, the input of the last
    dense layer, with a map of one cell; without that, the last map and its mean."""
    maps = [
        index for index, step in enumerate(steps) if len(getattr(step.output, "shape", ())) == 4
    ]
    last_map = maps[-1] if maps else 0
    for layer, given, output in steps[last_map:]:  # earlier poolings only weigh channels
        pools = isinstance(layer, keras.layers.GlobalAveragePooling2D)
        if pools and given.shape[-1] != labels:
            flat = len(output.shape) == 2
            return output if flat else keras.layers.Flatten(name="marque_flat")(output), given
    dense = [given for layer, given, _ in steps if isinstance(layer, keras.layers.Dense)]
    if dense and len(dense[-1].shape) == 2 and dense[-1].shape[-1] != labels:
        cell = keras.layers.Reshape((1, 1, dense[-1].shape[-1]), name="marque_cell")
        return dense[-1], cell(dense[-1])
    for index in reversed(maps):
        output = steps[index].output
        if output.shape[-1] != labels:
            return keras.layers.GlobalAveragePooling2D(name="marque_pooling")(output), output
    raise ModelRefusedError(
        "The network has no layer before the last one whose features could be kept."
    )
