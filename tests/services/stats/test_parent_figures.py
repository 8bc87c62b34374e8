"""Answers that are a parent, in the statistics."""

from tests.fakes import make_card_of_makes
from webapp.domain import NONE_OF_THESE, UNCLASSIFIED
from webapp.services.stats import figures, label_figures
from webapp.services.stats.matrix import confusion_matrix
from webapp.storage.stats.stats import Counts
from webapp.storage.tables import PairCounter

CARD = make_card_of_makes()


def counts(*pairs: tuple[str, str, int]) -> Counts:
    """So many checked photos with a ground truth and a decision."""
    rows = [
        PairCounter(
            model=CARD.name,
            version=1,
            audited=False,
            trained=False,
            truth=truth,
            label="audi-a4",
            decision=decision,
            n=n,
            five=n,
        )
        for truth, decision, n in pairs
    ]
    return Counts(rows, [], [])


def test_the_right_parent_is_right() -> None:
    answers = counts(
        ("audi-a4", "audi-a4", 4),
        ("audi-a5", "Audi", 3),
        ("bmw-m3", "Audi", 1),
        ("lada", UNCLASSIFIED, 2),
    )
    summary = figures.summarize(answers, CARD)
    assert (summary.right.hits, summary.wrong.hits, summary.unsure.hits) == (7, 1, 2)
    assert (summary.parent.hits, summary.parent.n) == (3, 4)


def test_a_parent_is_wrong_about_none_of_these() -> None:
    summary = figures.summarize(counts((NONE_OF_THESE, "Audi", 2)), CARD)
    assert (summary.wrong.hits, summary.parent.hits, summary.parent.n) == (2, 0, 2)


def test_a_label_is_not_found_by_its_parent() -> None:
    (row,) = [
        row
        for row in label_figures.label_accuracies(counts(("audi-a4", "Audi", 5)), CARD)
        if row.label == "audi-a4"
    ]
    assert (row.recall.hits, row.recall.n) == (0, 5)


def test_only_a_wrong_parent_is_a_mix_up() -> None:
    answers = counts(("audi-a4", "Audi", 5), ("bmw-m3", "Audi", 1))
    rows = [(row.truth, row.decision, row.n) for row in label_figures.mix_ups(answers, CARD)]
    assert rows == [("bmw-m3", "Audi", 1)]


def test_a_parent_is_right_by_itself_and_by_any_of_its_labels() -> None:
    answers = counts(
        ("audi-a4", "Audi", 3),
        ("audi-a4", "audi-a5", 2),
        ("audi-a5", UNCLASSIFIED, 1),
        ("bmw-m3", "Audi", 4),
    )
    (row,) = label_figures.parent_accuracies(answers, CARD)
    assert (row.parent, row.right.hits, row.right.n) == ("Audi", 5, 6)


def test_the_matrix_has_a_column_for_a_parent_that_was_the_answer() -> None:
    matrix = confusion_matrix(counts(("audi-a4", "Audi", 5), ("bmw-m3", "Audi", 1)), CARD)
    assert matrix.columns == (*CARD.label_names, "Audi", UNCLASSIFIED)
    assert matrix.look("audi-a4", "Audi", 5) == "hit"
    assert matrix.look("bmw-m3", "Audi", 1) == "h1"


def test_a_grouped_matrix_counts_a_parent_as_itself() -> None:
    matrix = confusion_matrix(counts(("audi-a4", "Audi", 5)), CARD, grouped=True)
    assert matrix.counts == {("Audi", "Audi"): 5}
    assert matrix.columns.count("Audi") == 1


def test_held_out_photos_answered_by_their_parent_count_as_right() -> None:
    test = {"n": 100, "unclassified": 0.1, "top1_when_decided": 0.95}
    card = make_card_of_makes(metrics={"test": test | {"parent": {"n": 10, "right": 9}}})
    right = figures.held_out(card)
    assert right is not None and (right.hits, right.n) == (76 + 9, 100)
