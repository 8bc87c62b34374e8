"""The MobileNetV2 inside a LiteRT file, such as that of a ready SSD detector."""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from webapp.errors import TrainingError

_KINDS = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D}
_DTYPES = {schema.TensorType.FLOAT16: "<f2", schema.TensorType.FLOAT32: "<f4"}
_UNREADABLE = (OSError, ValueError, LookupError, AttributeError, TypeError, struct.error)
_Arrays = list[NDArray[np.float32]]


def mobilenet_weights(
    path: Path, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, list[NDArray[np.float32]]]:
    """Kernel and bias of the convolutions with these kernel shapes, in the order of the file, as
    Keras lays them out: what lies between them, such as the heads of an SSD, is passed over.

    The file's weights are float16 or float32, its BatchNorm is folded into the convolutions. Raises
    `TrainingError` if it holds no such network.
    """
    try:
        found = list(_convolutions(path.read_bytes()))
    except _UNREADABLE as error:
        raise TrainingError(f"The weights file {path.name} cannot be read: {error}") from error
    weights, left = {}, iter(found)
    for name, shape in shapes.items():
        arrays = next((arrays for arrays in left if arrays[0].shape == shape), None)
        if arrays is None:
            raise TrainingError(f"The weights file {path.name} is of another network.")
        weights[name] = arrays
    return weights


def _convolutions(content: bytes) -> Iterator[_Arrays]:
    """Kernel and bias of each convolution: (rows, columns, from, to), or (rows, columns, features,
    1) of one by feature."""
    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    codes = [code.builtinCode for code in model.operatorCodes]
    sources = {}  # what tensors of float16 are widened to
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        if code == schema.BuiltinOperator.DEQUANTIZE:
            sources[int(operator.outputs[0])] = int(operator.inputs[0])
        elif code in _KINDS:
            places = [sources.get(int(place), int(place)) for place in operator.inputs[1:3]]
            kernel, bias = (_array(model, graph.tensors[place]) for place in places)
            yield [np.ascontiguousarray(kernel.transpose(1, 2, 3, 0)), bias]


def _array(model: Any, tensor: Any) -> NDArray[np.float32]:
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), _DTYPES[tensor.type])
    return values.reshape([int(side) for side in tensor.shape]).astype(np.float32)
