"""The compiled network in the LiteRT runtime: what serves. No TensorFlow in the process."""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from webapp.domain import NetworkOutput
from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import blank_photo, prepare, scale
from webapp.inference.familiarity import read_familiarity
from webapp.inference.heat_map import find_head
from webapp.inference.models.card import COMPILED_FILE, ModelCard


class LiteRTClassifier:
    """Keeps single-threaded interpreters, one for each thread that ranks at the same moment.

    An interpreter is lent to one thread at a time and made on first need, so there are never more than threads rank at once.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.card = card
        self._familiarity = read_familiarity(folder, card)
        try:  # kept in memory: a file that is damaged or replaced while it serves hurts nobody who is being answered
            self._content = (folder / COMPILED_FILE).read_bytes()
        except OSError as error:
            raise ModelUnavailableError(
                f"{card.name} {card.version}: {COMPILED_FILE} cannot be read ({error.strerror})"
            ) from error
        self._idle: queue.LifoQueue[_Network] = queue.LifoQueue()
        self._idle.put(self._open())

    @cached_property
    def head(self) -> NDArray[np.float32] | None:
        """See `Classifier.head`. Read from the compiled network on first need."""
        with self._borrowed() as network:
            constants = network.constants(len(self.card.labels))
        return find_head(constants, self.predict(blank_photo(self.card)), self.card)

    def predict(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """See `Classifier.rank`."""
        with self._borrowed() as network:
            probabilities, embedding, feature_map = network.run(prepare(pixels, self.card))
        familiarity = self._familiarity.of_one(embedding) if self._familiarity else None
        return NetworkOutput(
            scale(probabilities, self.card.temperature), embedding, feature_map, familiarity
        )

    @contextmanager
    def _borrowed(self) -> Iterator[_Network]:
        try:
            network = self._idle.get_nowait()
        except queue.Empty:
            network = self._open()
        try:
            yield network
        finally:
            self._idle.put(network)

    def _open(self) -> _Network:
        try:
            return _Network(self._content, len(self.card.labels))
        except (ValueError, RuntimeError) as error:
            raise ModelUnavailableError(
                f"{self.card.name} {self.card.version}: {COMPILED_FILE} cannot be loaded ({error})"
            ) from error


class _Network:
    """One interpreter and the places of its three outputs, told apart by their shapes."""

    def __init__(self, content: bytes, labels: int) -> None:
        with _without_chatter():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = _find_outputs(self._interpreter.get_output_details(), labels)

    def run(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities (labels,), embedding (features,) and feature map (rows, columns, features) of a batch of one."""
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        first, second, third = (self._interpreter.get_tensor(index)[0] for index in self._outputs)
        return first, second, third

    def constants(self, labels: int) -> list[NDArray[np.float32]]:
        """Copies of the tensors that have a side of this many labels: weights and biases of the last layer are among them."""
        found = []
        for one in self._interpreter.get_tensor_details():
            if labels in one["shape"] and len(one["shape"]) <= 2 and one["dtype"] is np.float32:
                try:
                    found.append(np.array(self._interpreter.get_tensor(one["index"])))
                except ValueError:  # a value that exists only while the network runs
                    continue
        return found


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep the runtime's "Created XNNPACK delegate" off stderr: it is written by C++ for every interpreter, and nothing turns it off.

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
    """The tensor indices of probabilities, embedding and feature map. Raises ValueError when the network has other outputs."""
    flat = [one for one in details if len(one["shape"]) == 2]
    maps = [one for one in details if len(one["shape"]) == 4]
    probabilities = [one for one in flat if int(one["shape"][1]) == labels]
    embeddings = [one for one in flat if int(one["shape"][1]) != labels]
    if len(probabilities) != 1 or len(embeddings) != 1 or len(maps) != 1:
        shapes = ", ".join(str(tuple(int(n) for n in one["shape"])) for one in details)
        raise ValueError(
            f"needs outputs of probabilities ({labels}), embedding and feature map, has {shapes}"
        )
    return probabilities[0]["index"], embeddings[0]["index"], maps[0]["index"]
