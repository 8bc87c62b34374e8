"""What publishing does with a detector: load, compile, compare, note the golden answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from webapp.errors import ModelRefusedError
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.detector import GOLDEN_TOLERANCE, Floats, self_test
from webapp.inference.keras_detector import KerasDetector
from webapp.inference.litert_detector import LiteRTDetector
from webapp.inference.models.card import COMPILED_FILE
from webapp.inference.models.compiling import compile_network, load_keras, median_milliseconds
from webapp.inference.models.detector_card import DetectorCard, GoldenCells

_GOLDEN_CELLS = 8  # of a golden photo, those with the highest scores


def complete_detector(
    folder: Path, card: DetectorCard, golden_files: list[Path]
) -> tuple[DetectorCard, dict[str, Any]]:
    """The card with its golden answers, and figures of the compiled network."""
    model, _answers = load_keras(folder, card, ("scores", "distances"))
    reference = KerasDetector(folder, card)
    if not (folder / COMPILED_FILE).is_file():
        compile_network(model, folder)
    compiled = LiteRTDetector(folder, card)
    golden, largest = [], 0.0
    for path in golden_files:
        content = path.read_bytes()
        pixels = decode_photo(content, max_side=working_side(card.input)).pixels
        given = compiled.cells(pixels)
        difference = float(np.abs(given - reference.cells(pixels)).max())
        if not difference <= GOLDEN_TOLERANCE:
            raise ModelRefusedError(
                f"The compiled network differs from Keras on {path.name} by {difference:.2g}; "
                f"{GOLDEN_TOLERANCE} is allowed."
            )
        golden.append(_golden(f"{path.parent.name}/{path.name}", given))
        largest = max(largest, difference)
    if card.golden:  # its golden answers are those of where it was compiled
        self_test(compiled, folder)
    else:
        card = replace(card, golden=tuple(golden))
    milliseconds = round(median_milliseconds(compiled.find), 1)
    return card, {"largest_difference": round(largest, 7), "milliseconds": milliseconds}


def _golden(file: str, cells: Floats) -> GoldenCells:
    best = np.argsort(-cells[:, 0], kind="stable")[:_GOLDEN_CELLS]
    rows = []
    for cell in best:
        score, left, top, right, bottom = (round(float(number), 5) for number in cells[cell])
        rows.append((int(cell), score, left, top, right, bottom))
    return GoldenCells(file, tuple(rows))
