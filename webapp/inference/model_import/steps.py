"""A network unfolded into its operations, whatever networks lie inside one another."""

from functools import partial
from typing import Any, NamedTuple

import keras

from webapp.inference.model_import.keras2 import Operator

_EFFECTS = "Brightness Contrast Erasing Flip Hue Rotation Saturation Shear Translation Zoom"
# layers that change photos in training and do nothing afterwards: they are left out
_AUGMENTATION = {"RandAugment", *(f"Random{effect}" for effect in _EFFECTS.split())}


class Step(NamedTuple):
    """An operation that a photo passes, with its first input and its output."""

    operation: Any
    input: Any
    output: Any


def unfold(steps: list[Step], operation: Any, *arguments: Any, **named: Any) -> Any:
    """Run an operation, or each of those inside it when it is a model, on symbolic tensors; adds
    each to `steps` and returns the output."""
    if isinstance(operation, keras.Sequential):
        flow = arguments[0]
        for layer in operation.layers:
            flow = unfold(steps, layer, flow)
        return flow
    if isinstance(operation, keras.Model):
        return operation._run_through_graph(
            arguments[0], lambda inner: partial(unfold, steps, inner)
        )
    if type(operation).__name__ in _AUGMENTATION:
        return arguments[0]
    if isinstance(operation, Operator):
        output = operation.call(*arguments)
        operation = output._keras_history.operation
    else:
        output = operation(*arguments, **named)
    steps.append(Step(operation, arguments[0] if arguments else None, output))
    return output
