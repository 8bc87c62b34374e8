"""A filter from a URL and back."""

from __future__ import annotations

from datetime import date

import pytest

from webapp.errors import BadRequestError
from webapp.gallery_filter import GalleryFilter, filter_params, parse_filter, without

EVERYTHING = GalleryFilter(
    predicted="bwt",
    decision="unclassified",
    parent="Audi",
    ground_truth="none",
    outcome="wrong",
    min_confidence=0.305,
    max_confidence=1.0,
    min_margin=0.0,
    max_margin=0.07,
    cars="3+",
    filename="img 1",
    model="f1-teams",
    version=2,
    since=date(2026, 1, 31),
    until=date(2026, 2, 1),
    uploader="-",
    source="cli",
    batch="a-b_1",
    labelled="c",
    like="p-1",
    compared="j-1",
    picked="a_1,b-2",
    duplicates="yes",
    starred="no",
    audited="yes",
    checked="first",
    learnt="no",
    sort="oldest",
)


def test_every_filter_survives_the_way_through_a_url() -> None:
    assert parse_filter(filter_params(EVERYTHING)) == EVERYTHING


def test_a_filter_that_is_off_is_left_out() -> None:
    assert filter_params(GalleryFilter()) == {} and filter_params(
        GalleryFilter(min_margin=0.0)
    ) == {"margin_from": "0"}


def test_fractions_and_percentages_say_the_same() -> None:
    assert (
        parse_filter({"min_confidence": "0.3"})
        == parse_filter({"from": "30 %"})
        == GalleryFilter(min_confidence=0.3)
    )


def test_a_version_may_stand_behind_the_model() -> None:
    assert parse_filter({"model": "lada@3"}) == parse_filter({"model": "lada", "version": "3"})


def test_the_order_of_wrong_answers_sets_the_outcome_and_goes_with_it() -> None:
    wanted = parse_filter({"sort": "most-wrong", "outcome": "correct"})
    assert wanted.outcome == "wrong" and without(filter_params(wanted), "outcome") == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "101"),
        ("margin_to", "x"),
        ("min_confidence", "1.5"),
        ("max_margin", "nan"),
        ("since", "31.1.2026"),
        ("version", "3"),
        ("model", "lada@new"),
        ("duplicates", "maybe"),
        ("cars", "4"),
        ("checked", "no"),
        ("sort", "size"),
        ("batch", "x" * 300),
        ("filename", "a\x00b"),
        ("picked", "a, b c"),
        ("picked", ",".join(f"p{number}" for number in range(201))),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadRequestError):
        parse_filter({name: value})
