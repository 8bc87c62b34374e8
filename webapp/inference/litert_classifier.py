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
        interpreter = self._open()
        self._input = interpreter.get_input_details()[0]["index"]
        self._outputs = _find_outputs(interpreter.get_output_details(), card)
        self._idle: queue.LifoQueue[Interpreter] = queue.LifoQueue()
        self._idle.put(interpreter)

    def _run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        with self._borrowed() as interpreter:
            interpreter.set_tensor(self._input, batch)
            interpreter.invoke()
            first, second, third = (interpreter.get_tensor(index)[0] for index in self._outputs)
        return first, second, third

    def _constants(self) -> list[Floats]:
        constants = []
        with self._borrowed() as interpreter:
            for tensor in interpreter.get_tensor_details():
                shape, kind = tensor["shape"], tensor["dtype"]
                if len(self.card.labels) not in shape or len(shape) > 2:
                    continue
                if kind in (np.float16, np.float32):
                    with suppress(ValueError):  # a value that exists only while the network runs
                        constants.append(np.array(interpreter.get_tensor(tensor["index"])))
        return constants

    @contextmanager
    def _borrowed(self) -> Iterator[Interpreter]:
        try:
            interpreter = self._idle.get_nowait()
        except queue.Empty:
            interpreter = self._open()
        try:
            yield interpreter
        finally:
            self._idle.put(interpreter)

    def _open(self) -> Interpreter:
        try:
            with _without_chatter():
                interpreter = Interpreter(model_content=self._content, num_threads=1)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelUnavailableError(
                f"{self.card}: {COMPILED_FILE} cannot be loaded ({error})"
            ) from error
        return interpreter


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


def _find_outputs(details: list[dict[str, Any]], card: ModelCard) -> tuple[int, int, int]:
    """The tensor indices of probabilities, embedding and feature map, told apart by their shapes.
    Raises `ModelUnavailableError`."""
    labels = len(card.labels)
    shapes = {tensor["index"]: tuple(map(int, tensor["shape"])) for tensor in details}
    flat = {index: shape for index, shape in shapes.items() if len(shape) == 2}
    probabilities = [index for index, shape in flat.items() if shape[1] == labels]
    embeddings = [index for index, shape in flat.items() if shape[1] != labels]
    maps = [index for index, shape in shapes.items() if len(shape) == 4]
    if not len(probabilities) == len(embeddings) == len(maps) == 1:
        raise ModelUnavailableError(
            f"{card}: {COMPILED_FILE} cannot be loaded (needs outputs of probabilities "
            f"({labels}), embedding and feature map, has {', '.join(map(str, shapes.values()))})"
        )
    return probabilities[0], embeddings[0], maps[0]
