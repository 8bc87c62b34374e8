"""The compiled network in the LiteRT runtime: what serves. No TensorFlow in the process."""

import os
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier, Floats
from webapp.inference.models.card import COMPILED_FILE, ModelCard


class LiteRTClassifier(Classifier):
    """Keeps single-threaded interpreters, made on first need and used by one thread at a time.

    So there are never more than threads that classify at once.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        super().__init__(folder, card)
        try:  # kept in memory: it may be damaged or replaced on disk while it serves
            self._content = (folder / COMPILED_FILE).read_bytes()
        except OSError as error:
            raise ModelUnavailableError(
                f"{card}: {COMPILED_FILE} cannot be read ({error.strerror})"
            ) from error
        self._idle: queue.LifoQueue[_Network] = queue.LifoQueue()
        self._idle.put(self._open())

    def _run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        with self._borrowed() as network:
            return network.run(batch)

    def _constants(self) -> list[Floats]:
        with self._borrowed() as network:
            return network.constants(len(self.card.labels))

    @contextmanager
    def _borrowed(self) -> Iterator["_Network"]:
        try:
            network = self._idle.get_nowait()
        except queue.Empty:
            network = self._open()
        try:
            yield network
        finally:
            self._idle.put(network)

    def _open(self) -> "_Network":
        try:
            return _Network(self._content, len(self.card.labels))
        except (ValueError, RuntimeError) as error:
            raise ModelUnavailableError(
                f"{self.card}: {COMPILED_FILE} cannot be loaded ({error})"
            ) from error


class _Network:
    """One interpreter and the places of its three outputs, told apart by their shapes."""

    def __init__(self, content: bytes, labels: int) -> None:
        with _without_chatter():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = _find_outputs(self._interpreter.get_output_details(), labels)

    def run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Classifier._run`."""
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        first, second, third = (self._interpreter.get_tensor(index)[0] for index in self._outputs)
        return first, second, third

    def constants(self, labels: int) -> list[Floats]:
        """Copies of the tensors with a side of this many labels, as those of the last layer."""
        constants = []
        for tensor in self._interpreter.get_tensor_details():
            shape = tensor["shape"]
            if labels in shape and len(shape) <= 2 and tensor["dtype"] is np.float32:
                with suppress(ValueError):  # a value that exists only while the network runs
                    constants.append(np.array(self._interpreter.get_tensor(tensor["index"])))
        return constants


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep "Created XNNPACK delegate" off stderr: C++ writes it for every interpreter.

    What goes wrong is raised, so nothing worth reading is lost.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _find_outputs(details: list[dict[str, Any]], labels: int) -> tuple[int, int, int]:
    """The tensor indices of probabilities, embedding and feature map. Raises `ValueError`."""
    shapes = {tensor["index"]: tuple(map(int, tensor["shape"])) for tensor in details}
    flat = {index: shape for index, shape in shapes.items() if len(shape) == 2}
    probabilities = [index for index, shape in flat.items() if shape[1] == labels]
    embeddings = [index for index, shape in flat.items() if shape[1] != labels]
    maps = [index for index, shape in shapes.items() if len(shape) == 4]
    if not len(probabilities) == len(embeddings) == len(maps) == 1:
        raise ValueError(
            f"needs outputs of probabilities ({labels}), embedding and feature map, "
            f"has {', '.join(map(str, shapes.values()))}"
        )
    return probabilities[0], embeddings[0], maps[0]
