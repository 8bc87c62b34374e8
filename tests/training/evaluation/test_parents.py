"""A report on a version that names parents."""

from pathlib import Path

from tests.conftest import draw
from tests.fakes import FakeClassifier, make_card_of_makes
from webapp.training.evaluation.evaluation import Evaluation, predict_photos
from webapp.training.evaluation.photos import choose_photos
from webapp.training.evaluation.report import make_report
from webapp.training.evaluation.report_text import terminal_lines
from webapp.training.readers import list_photos
from webapp.training.recipe import Layout


def test_the_report_counts_photos_answered_by_their_parent(tmp_path: Path) -> None:
    for mark, label in enumerate(("audi-a4", "audi-a5", "bmw-m3")):
        (tmp_path / label).mkdir()
        (tmp_path / label / "car.jpg").write_bytes(draw(mark=mark))
    classifier = FakeClassifier(make_card_of_makes())
    classifier.says(**{"audi-a4": 0.48, "audi-a5": 0.45})
    listing = list_photos(tmp_path, Layout(), "cars")
    known = predict_photos(classifier, choose_photos(listing, classifier.card, None))
    report = make_report(Evaluation(classifier.card, "litert", "folders", False, False, known))
    assert report["figures"]["parent"]["n"] == 3
    assert report["figures"]["parent"]["right"] == 2
    assert report["figures"]["unclassified"] == 0
    assert any("Right parent" in line and "66.7" in line for line in terminal_lines(report))
