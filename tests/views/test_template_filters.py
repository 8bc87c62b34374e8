"""How numbers, sizes and moments are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from webapp.views import template_filters as filters


@pytest.mark.parametrize(
    ("number", "text"), [(940, "940\u202fbytes"), (62000, "61\u202fKB"), (2_500_000, "2.4\u202fMB")]
)
def test_bytes_are_for_people(number: int, text: str) -> None:
    assert filters.size(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.2, "<\u202f1\u202fms"), (4.4, "4\u202fms"), (1200, "1200\u202fms")]
)
def test_milliseconds_are_whole(number: float, text: str) -> None:
    assert filters.milliseconds(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "just now"),
        (61, "a minute ago"),
        (600, "10 minutes ago"),
        (3700, "an hour ago"),
        (8000, "2 hours ago"),
        (90000, "a day ago"),
    ],
)
def test_ago_is_as_people_say_it(seconds: int, text: str) -> None:
    assert f">{text}</time>" in filters.ago(datetime.now(UTC) - timedelta(seconds=seconds))


def test_another_year_is_named() -> None:
    assert ">27 February 2001</time>" in filters.day(datetime(2001, 2, 27, tzinfo=UTC))


def test_today_is_called_so() -> None:
    assert ">Today, " in filters.when(datetime.now(UTC)) and " UTC</time>" in filters.when(
        datetime.now(UTC)
    )


def test_one_and_many_have_their_words() -> None:
    assert [filters.count(number, "photo") for number in (0, 1, 1312)] == [
        "0 photos",
        "1 photo",
        "1,312 photos",
    ]
