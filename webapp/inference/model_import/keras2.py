"""Networks that Keras 2 and tf_keras saved: their descriptions and operators as Keras 3's."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.keras_archive import dictionaries

OPERATOR = "TFOpLambda"
_OPERATORS = (OPERATOR, "SlicingOpLambda")
_CONSTANT = "_CONSTANT_VALUE"
_NETWORKS = ("Functional", "Model", "Sequential")
_EFFECTS = "Brightness Contrast Flip Height Rotation Translation Width Zoom"
# layers that change photos in training and do nothing afterwards
_AUGMENTATION = {f"Random{effect}" for effect in _EFFECTS.split()}


def _slice(value: Any) -> Any:
    """An index as Keras 2 writes it: numbers, slices, an ellipsis, or a list of these."""
    if isinstance(value, list):
        return tuple(_slice(part) for part in value)
    if isinstance(value, dict) and value.get("class_name") == "__slice__":
        value = value["config"]
    if isinstance(value, dict) and "start" in value:
        return slice(value["start"], value["stop"], value["step"])
    if value == "..." or (isinstance(value, dict) and value.get("class_name") == "__ellipsis__"):
        return Ellipsis
    return value


# what the operators of TensorFlow that networks were seen to use are in Keras 3, by the names of
# their arguments
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.add": lambda x, y: ops.add(x, y),
    "__operators__.getitem": lambda tensor, slice_spec: tensor[_slice(slice_spec)],
    "cast": lambda x, dtype: ops.cast(x, dtype),
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.clip(
        t, clip_value_min, clip_value_max
    ),
    "concat": lambda values, axis: ops.concatenate(values, axis),
    "math.add": lambda x, y: ops.add(x, y),
    "math.divide": lambda x, y: ops.divide(x, y),
    "math.maximum": lambda x, y: ops.maximum(x, y),
    "math.minimum": lambda x, y: ops.minimum(x, y),
    "math.multiply": lambda x, y: ops.multiply(x, y),
    "math.negative": lambda x: ops.negative(x),
    "math.reduce_mean": lambda input_tensor, axis=None, keepdims=False: ops.mean(
        input_tensor, axis, keepdims
    ),
    "math.sigmoid": lambda x: ops.sigmoid(x),
    "math.subtract": lambda x, y: ops.subtract(x, y),
    "math.truediv": lambda x, y: ops.divide(x, y),
    "nn.bias_add": lambda value, bias: ops.add(value, bias),
    "nn.relu": lambda features: ops.relu(features),
    "nn.relu6": lambda features: ops.relu6(features),
    "nn.sigmoid": lambda x: ops.sigmoid(x),
    "nn.silu": lambda features: ops.silu(features),
    "nn.softmax": lambda logits, axis=-1: ops.softmax(logits, axis),
    "nn.swish": lambda features: ops.silu(features),
}
_FIRST = {name: function.__code__.co_varnames[0] for name, function in _FUNCTIONS.items()}


class Operator(keras.layers.Layer):
    """An operator of TensorFlow in a network of Keras 2. `given` are its arguments; those named in
    `tensors` are what it is called with."""

    def __init__(
        self,
        function: str,
        given: dict[str, Any],
        tensors: list[str],
        name: str | None = None,
        **_: Any,
    ) -> None:
        super().__init__(name=re.sub(r"\W", "_", name or function))
        constants = {
            key: np.asarray(value, np.float32)
            if isinstance(value, list) and key in ("x", "y", "bias")
            else value
            for key, value in given.items()
        }
        self._names = tuple(tensors)
        self._apply = partial(_FUNCTIONS[function], **constants)
        self._takes_list = function == "concat"

    def call(self, inputs: Any) -> Any:
        """The operator's output for one tensor, or for a list of as many as it takes."""
        values = inputs if isinstance(inputs, list) else [inputs]
        values = [values] if self._takes_list else values
        return self._apply(**dict(zip(self._names, values, strict=True)))


def mend(config: dict[str, Any]) -> bool:
    """Change a description by Keras 2 to what Keras 3 knows; True when it was changed. Raises
    `ModelRefusedError` for an operator that is not known, or a description that makes no sense."""
    try:
        return _mend(config)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ModelRefusedError("The description of its network makes no sense.") from error


def _mend(config: dict[str, Any]) -> bool:
    changed = False
    for entry in dictionaries(config):
        kind, inside = entry.get("class_name"), entry.get("config")
        if not isinstance(inside, dict):
            continue
        if kind in _OPERATORS:
            _mend_operator(entry)
            changed = True
        for named in (entry, inside):  # Keras 3 takes no slash in a layer's name
            if "/" in str(named.get("name")):
                named["name"] = _plain(named["name"])
                changed = True
        if isinstance(inside.get("layers"), list) and "output_layers" in inside:
            changed |= _mend_graph(inside)
        module = _module(entry.get("module"))
        if module != entry.get("module"):
            entry["module"] = module
            changed = True
        if kind in _AUGMENTATION and "rng_type" in inside:
            entry |= {"class_name": "Identity", "config": {"name": inside.get("name")}}
            entry |= {"module": "keras.layers", "registered_name": None}
            changed = True
        if kind == "DepthwiseConv2D" and inside.pop("groups", None) is not None:
            changed = True
        if kind == "BatchNormalization" and isinstance(inside.get("axis"), list):
            inside["axis"] = inside["axis"][0]
            changed = True
    return changed


def _mend_graph(graph: dict[str, Any]) -> bool:
    """Count the calls of networks inside a network from 0, as Keras 3 does; Keras 2 counted that
    one first which made the inner network. A single input or output is no list."""
    layers = [layer for layer in graph["layers"] if isinstance(layer, dict)]
    nodes = [node for layer in layers for node in layer.get("inbound_nodes") or ()]
    if any(isinstance(node, dict) for node in nodes):  # written by Keras 3
        return False
    kinds = {_plain(str(layer.get("name"))): layer.get("class_name") for layer in layers}
    references = [part for node in nodes for part in _parts(node)]
    arguments = [part[3] for part in references if len(part) > 3 and isinstance(part[3], dict)]
    references += [value for given in arguments for value in given.values() if _is_tensor(value)]
    # Keras 3 does the same for outputs, but not for those of a Sequential
    inner = [part for part in references if kinds.get(_plain(part[0])) in _NETWORKS]
    for key in ("input_layers", "output_layers"):
        ends = _parts(graph[key])
        references += ends
        inner += [part for part in ends if kinds.get(_plain(part[0])) == "Sequential"]
        if len(ends) == 1:
            graph[key] = ends[0]
    for part in references:
        part[0] = _plain(part[0])
    for part in inner:
        part[1] = max(0, part[1] - 1)
    return True


def _plain(name: str) -> str:
    return name.replace("/", "_")


def _parts(node: Any) -> list[list[Any]]:
    """The references to tensors in a node of Keras 2, which is one or a list of them."""
    if not isinstance(node, list) or not node:
        return []
    if isinstance(node[0], str):
        return [node]
    return [part for part in node if isinstance(part, list) and len(part) >= 3]


def _module(module: Any) -> Any:
    """Where Keras 3 has what Keras 2 had in a module."""
    if not isinstance(module, str):
        return module
    if module in ("keras.src.engine.functional", "tf_keras.src.engine.functional"):
        return "keras.src.models.functional"
    return re.sub(r"^tf_keras\b", "keras", module)


def _mend_operator(entry: dict[str, Any]) -> None:
    """Move the arguments of an operator from its node, where tensors are mixed with numbers, to its
    settings."""
    settings, function = entry["config"], str(entry["config"].get("function"))
    nodes = entry.get("inbound_nodes")
    if "given" in settings:
        return
    if function not in _FUNCTIONS or not isinstance(nodes, list) or len(nodes) != 1:
        raise ModelRefusedError(
            f"The layer {str(settings.get('name'))[:100]!r} is TensorFlow's operator "
            f"{function[:100]!r}, which is not on the list of those that are known."
        )
    given: dict[str, Any] = {}
    tensors: list[str] = []
    inputs: list[Any] = []
    node = _parts(nodes[0])
    first = [(_FIRST[function], part[:3]) for part in node]
    for name, value in [*first, *node[0][3].items()]:
        if name in ("name", "data_format") or value is None:
            continue
        if isinstance(value, list) and len(value) == 3 and value[0] == _CONSTANT:
            given[name] = value[2]
        elif _is_tensor(value):
            tensors += [name] if name not in tensors else []
            inputs.append([*value, {}])
        else:
            given[name] = value
    entry["inbound_nodes"] = [inputs]
    settings |= {"given": given, "tensors": tensors}
    entry |= {"module": "keras.layers", "class_name": OPERATOR, "registered_name": OPERATOR}


def _is_tensor(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:])
    )
