"""A compiled network in the LiteRT runtime: what serves. No TensorFlow in the process."""

import os
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from webapp.errors import ModelUnavailableError
from webapp.inference.models.card import COMPILED_FILE, VersionCard

Floats = NDArray[np.float32]


class LiteRTNetwork:
    """Keeps single-threaded interpreters, made on first need and used by one thread at a time.

    So there are never more than threads that use it at once.
    """

    def __init__(self, folder: Path, card: VersionCard) -> None:
        self.card = card
        try:  # kept in memory: it may be damaged or replaced on disk while it serves
            self._content = (folder / COMPILED_FILE).read_bytes()
        except OSError as error:
            raise ModelUnavailableError(
                f"{card}: {COMPILED_FILE} cannot be read ({error.strerror})"
            ) from error
        interpreter = self._open()
        self._input = interpreter.get_input_details()[0]["index"]
        # the shape of each output by its index
        self.outputs = {
            output["index"]: tuple(map(int, output["shape"]))
            for output in interpreter.get_output_details()
        }
        self._idle: queue.LifoQueue[Interpreter] = queue.LifoQueue()
        self._idle.put(interpreter)

    def run(self, batch: Floats, outputs: tuple[int, ...]) -> tuple[Floats, ...]:
        """The outputs with these indices for a batch of one, without their first axis."""
        with self.borrowed() as interpreter:
            interpreter.set_tensor(self._input, batch)
            interpreter.invoke()
            return tuple(interpreter.get_tensor(index)[0] for index in outputs)

    @contextmanager
    def borrowed(self) -> Iterator[Interpreter]:
        """An interpreter that nobody else uses meanwhile."""
        try:
            interpreter = self._idle.get_nowait()
        except queue.Empty:
            interpreter = self._open()
        try:
            yield interpreter
        finally:
            self._idle.put(interpreter)

    def refused(self, needs: str) -> ModelUnavailableError:
        """The error for a network whose outputs are not what it needs."""
        shapes = ", ".join(map(str, self.outputs.values()))
        return ModelUnavailableError(
            f"{self.card}: {COMPILED_FILE} cannot be loaded (needs outputs of {needs}, has "
            f"{shapes})"
        )

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
