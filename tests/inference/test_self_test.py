"""A version looks at its golden photos again: another answer than its card's is refused."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import draw
from tests.fakes import make_card
from webapp.errors import ModelUnavailableError
from webapp.inference import classifier, detector
from webapp.inference.classifier import Classifier, Floats
from webapp.inference.detector import Detector
from webapp.inference.models.card import Golden, InputSpec
from webapp.inference.models.detector_card import DetectorCard, GoldenCells

CELLS = 8 * 12 + 4 * 6 + 2 * 3  # of 64 x 96 pixels
FILE = "golden/1.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "golden").mkdir()
    (tmp_path / FILE).write_bytes(draw(format="PNG"))
    return tmp_path


class _Classifier(Classifier):
    """Answers these probabilities."""

    def __init__(self, folder: Path, probabilities: Floats) -> None:
        even = Golden(FILE, (0.1,) * 10)
        super().__init__(folder, make_card(golden=(even,)))
        self.probabilities = probabilities

    def _run(self, _batch: Floats) -> tuple[Floats, Floats, Floats]:
        return self.probabilities, np.ones(4, np.float32), np.ones((1, 1, 4), np.float32)

    def _constants(self) -> list[Floats]:
        return []


class _Detector(Detector):
    """Answers these scores, each in a box of one cell around its middle."""

    def __init__(self, scores: Floats, *golden: GoldenCells) -> None:
        facts = {"name": "cars", "version": 1, "title": "Cars", "summary": "", "threshold": 0.4}
        super().__init__(DetectorCard(**facts, input=InputSpec(64, 96), golden=golden))
        self.scores = scores

    def _run(self, _batch: Floats) -> tuple[Floats, Floats]:
        return self.scores, np.zeros((CELLS, 4), np.float32)


def detector_of(before: Floats, now: Floats) -> Detector:
    """A detector whose card knows the scores `before` of its first two cells, and that answers
    those of `now`."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    first, second, *_ = _Detector(before).cells(pixels).tolist()
    return _Detector(now, GoldenCells(FILE, ((0, *first), (1, *second))))


def scores(*first: float) -> Floats:
    return np.array([*first, *[0.0] * (CELLS - len(first))], np.float32)


def test_a_classifier_that_answers_as_its_card_says_passes(folder: Path) -> None:
    even = np.full(10, 0.1, np.float32)
    assert classifier.self_test(_Classifier(folder, even), folder) < 1e-6


def test_a_classifier_that_answers_no_numbers_is_refused(folder: Path) -> None:
    broken = _Classifier(folder, np.full(10, np.nan, np.float32))
    with pytest.raises(ModelUnavailableError, match="another answer on this machine"):
        classifier.self_test(broken, folder)


def test_a_detector_that_answers_as_its_card_says_passes(folder: Path) -> None:
    assert detector.self_test(detector_of(scores(0.9, 0.8), scores(0.9, 0.8)), folder) < 1e-6


def test_a_detector_that_answers_no_numbers_is_refused(folder: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="another answer on this machine"):
        detector.self_test(detector_of(scores(0.9, 0.8), scores(np.nan, np.nan)), folder)


def test_the_cell_that_differs_is_named(folder: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"finds \[0.3, .* the card says \[0.8, "):
        detector.self_test(detector_of(scores(0.9, 0.8), scores(0.9, 0.3)), folder)
