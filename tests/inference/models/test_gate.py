"""Challenger and champion on the same photos: the verdict and its reasons."""

import pytest

from webapp.errors import ModelRefusedError
from webapp.inference.models.gate import ComparedPhoto, compare, mcnemar


def photos_of(
    truth: str, both: int = 0, fixed: int = 0, broken: int = 0, neither: int = 0
) -> list[ComparedPhoto]:
    """Photos of a label on which both, only the challenger, only the champion or none is right."""
    pairs = (
        [(truth, truth)] * both
        + [("?", truth)] * fixed
        + [(truth, "?")] * broken
        + [("?", "?")] * neither
    )
    return [
        ComparedPhoto(f"{truth}/{place}.jpg", f"{place:064d}", truth, *pair)
        for place, pair in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("fixed", "broken", "expected"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 2 / 64),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
        (2, 10, 2 * 79 / 4096),
    ],
)
def test_mcnemar_counts_both_tails_of_a_fair_coin(fixed: int, broken: int, expected: float) -> None:
    assert mcnemar(fixed, broken) == pytest.approx(expected)


def test_a_version_that_fixes_more_than_it_breaks_is_better() -> None:
    comparison = compare(
        1, 2, photos_of("haas", both=40, fixed=6, broken=1) + photos_of("bwt", both=30)
    )
    assert comparison.verdict == "better"
    assert (comparison.champion_right, comparison.challenger_right, comparison.n) == (71, 76, 77)
    assert [photo.photo for photo in comparison.broken] == ["haas/46.jpg"]
    assert "fixes 6 and breaks 1, which may be chance" in comparison.reasons[1]


def test_a_version_that_breaks_more_than_it_fixes_is_worse() -> None:
    assert compare(1, 2, photos_of("haas", both=40, fixed=1, broken=6)).verdict == "worse"


def test_a_version_that_lets_a_label_fall_is_worse_though_it_fixes_more() -> None:
    comparison = compare(
        1, 2, photos_of("haas", both=40, fixed=9) + photos_of("bwt", both=20, broken=3)
    )
    assert comparison.verdict == "worse"
    assert "bwt falls: 23 of 23 were right, now 20." in comparison.reasons


def test_a_label_of_few_photos_may_fall() -> None:
    assert (
        compare(
            1, 2, photos_of("haas", both=40, fixed=9) + photos_of("bwt", both=4, broken=3)
        ).verdict
        == "better"
    )


def test_two_versions_that_answer_alike_are_the_same() -> None:
    comparison = compare(1, 2, photos_of("haas", both=40, neither=2))
    assert comparison.verdict == "same"
    assert "fixes nothing and breaks nothing" in comparison.reasons[1]


def test_the_same_photos_have_the_same_name_in_any_order() -> None:
    photos = photos_of("haas", both=3, broken=2)
    assert compare(1, 2, photos).photos == compare(3, 4, photos[::-1]).photos


def test_it_refuses_to_compare_without_photos() -> None:
    with pytest.raises(ModelRefusedError, match="no photo left"):
        compare(1, 2, [])
