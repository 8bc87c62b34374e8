"""Each filter in each order finds its page through an index, and counting ends in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text, update

from tests.conftest import statements
from webapp.extensions import get_files
from webapp.gallery_filter import GalleryFilter, choices_of, parse_filter
from webapp.services.operations import health
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.storage import sqlite
from webapp.storage.database import db, writing
from webapp.storage.photos import pages, query_filters
from webapp.storage.photos.pages import Count, Place, count_by_outcome
from webapp.storage.sqlite import rows_in_time
from webapp.storage.tables import Photo, now

FILTERS = {
    "nothing": {},
    "first guess": {"predicted": "ferrari"},
    "answer": {"decision": "ferrari"},
    "parent": {"parent": "Audi"},
    "truth": {"ground_truth": "haas"},
    "outcome": {"outcome": "correct"},
    "confidence": {"from": "30", "to": "40"},
    "margin": {"margin_to": "5"},
    "name": {"filename": "monza"},
    "days": {"since": "2026-01-01", "until": "2026-01-31"},
    "person": {"uploader": "Anna"},
    "visitors": {"uploader": "-"},
    "source": {"source": "cli"},
    "sent together": {"batch": "b"},
    "checked together": {"labelled": "b"},
    "nearly the same": {"like": "p1"},
    "versions differ": {"compared": "j1"},
    "look-alikes": {"duplicates": "yes"},
    "star": {"starred": "yes"},
    "two cars": {"cars": "2"},
    "many cars": {"cars": "3+"},
    "model": {"model": "f1-teams"},
    "version": {"model": "f1-teams@2"},
    "version, first guess": {"model": "f1-teams@2", "predicted": "ferrari"},
    "version, outcome": {"model": "f1-teams@2", "outcome": "wrong"},
    "version, truth": {"model": "f1-teams@2", "ground_truth": "haas"},
    "cell of the confusion matrix": {"predicted": "ferrari", "ground_truth": "haas"},
    "answer and outcome": {"decision": "ferrari", "outcome": "wrong"},
    "outcome and days": {"outcome": "wrong", "since": "2026-01-01"},
    "outcome and confidence": {"outcome": "wrong", "from": "90"},
    "checked": {"checked": "yes"},
    "first guess right": {"checked": "first"},
    "among the first five": {"checked": "five"},
    "learnt from": {"learnt": "yes"},
    "version, not learnt from": {"model": "f1-teams@2", "learnt": "no"},
    "version, checked, a month": {
        "model": "f1-teams@2",
        "checked": "yes",
        "since": "2026-01-01",
        "until": "2026-01-31",
    },
}
SORTS = tuple(choices_of("sort"))
BY_ARRIVAL = ("newest", "oldest")
BY_ANSWER = tuple(sort for sort in SORTS if sort not in BY_ARRIVAL)
WALK = re.compile(r"PRIMARY KEY \(rowid[<>]\?\)|_(confidence|margin) \(shown_\w+[<>]")

# Walking: an index (or the table, in its own order) is read from the page's place on, until enough
# photos have passed the filter. Without a filter that is the page itself. A filter that few photos
# pass is made a list first, so those that walk pass at least one in 200.
WALKING = {
    **dict.fromkeys(("nothing", "confidence", "margin", "many cars", "parent"), SORTS),
    **dict.fromkeys(
        ("person", "visitors", "source", "look-alikes", "star", "two cars"),
        BY_ANSWER,
    ),
    "days": BY_ANSWER,
    "name": BY_ANSWER,
    **dict.fromkeys(
        (
            "checked",
            "first guess right",
            "among the first five",
            "learnt from",
            "version, not learnt from",
        ),
        SORTS,
    ),
}
# Sorting: all photos of these filters are found by their index, then sorted: they are few.
SORTING = (
    "truth",
    "sent together",
    "checked together",
    "nearly the same",
    "versions differ",
    "version, first guess",
    "version, truth",
    "outcome and confidence",
)


PLANNED = tuple(sort for sort in SORTS if sort != "oldest")
"""Orders that can have plans of their own: `oldest` is `newest` read from the other end."""


@pytest.fixture
def plan(app: Flask) -> Iterator[Callable[[GalleryFilter, Place | None], list[str]]]:
    """What SQLite would do for a page, in its words."""
    with app.app_context():
        health.tell_planner()
        db.session.remove()
        db.engine.dispose()  # a connection reads the figures when it opens

        def explain(wanted: GalleryFilter, place: Place | None) -> list[str]:
            with statements() as run:
                pages.page_of_photos(wanted, 25, place)
            statement, values = next(each for each in reversed(run) if "LIMIT" in each[0])
            explained = f"EXPLAIN QUERY PLAN {statement}"
            rows = db.session.connection().exec_driver_sql(explained, values)
            return [row[3] for row in rows]

        yield explain
        db.session.remove()


@pytest.mark.parametrize("few", [sqlite.FEW, -1], ids=["narrow filters", "wide filters"])
@pytest.mark.parametrize("name", FILTERS)
def test_no_page_reads_a_whole_table(
    plan: Callable[[GalleryFilter, Place | None], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    few: int,
) -> None:
    monkeypatch.setattr(sqlite, "FEW", few)  # -1: as in a history in which many photos pass
    for sort in PLANNED:
        wanted = parse_filter({**FILTERS[name], "sort": sort})
        steps = plan(wanted, Place(None if sort in BY_ARRIVAL else 0.5, 500_000))
        scans = [step for step in steps if re.match(r"SCAN (?!photo_names|training_files)", step)]
        assert not scans, (sort, steps)
        if any("TEMP B-TREE" in step for step in steps):
            assert name in SORTING or few > 0, (sort, steps)
        if few < 0 and any(WALK.search(step) for step in steps):
            assert sort in WALKING.get(name, ()), (sort, steps)


def test_few_of_an_outcome_within_a_range_of_many_are_found_at_once(
    plan: Callable[[GalleryFilter, Place | None], list[str]],
    upload: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for mark in range(4):
        upload(mark=mark, **({"ground_truth": "haas"} if mark == 0 else {}))
    monkeypatch.setattr(sqlite, "FEW", 2)
    steps = plan(parse_filter({"from": "20", "outcome": "wrong"}), None)
    index = "ix_photos_kept_outcome_shown_confidence"
    searched = f"{index} (outcome=? AND shown_confidence>? AND shown_confidence<?)"
    assert any(searched in step for step in steps)


def test_the_first_page_of_everything_is_read_in_order(
    plan: Callable[[GalleryFilter, Place | None], list[str]],
) -> None:
    assert plan(GalleryFilter(), None) == ["SCAN photos"]  # from its end; no sorting


def test_counting_ends_in_time(app: Flask) -> None:
    endless = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    )
    with app.app_context():
        assert rows_in_time(endless, 0.01) is None


def test_more_than_enough_is_not_counted(
    app: Flask, upload: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for mark in range(4):
        upload(mark=mark)
    monkeypatch.setattr(pages, "ENOUGH", 3)
    with app.app_context():
        counts = count_by_outcome(GalleryFilter())
    assert counts["all"] == counts["unlabelled"] == Count(3, exact=False)
    assert counts["wrong"] == Count(0, exact=True)


def test_numbers_are_exact_below(app: Flask, upload: Callable[..., str]) -> None:
    upload()
    upload(mark=1, ground_truth="haas")
    with app.app_context():
        counts = count_by_outcome(GalleryFilter(outcome="wrong"))
    assert counts["all"] == Count(2, exact=True)
    assert counts["wrong"] == counts["unlabelled"] == Count(1, exact=True)


# ---- places ----


@pytest.fixture
def dated(app: Flask, upload: Callable[..., str]) -> list[str]:
    """Six photos, one for each of the first days of March, by id."""
    photos = [upload(mark=mark, name=f"IMG_{mark}.jpg") for mark in range(6)]
    with app.app_context(), writing():
        for day, public_id in enumerate(photos, 1):
            moment = datetime(2026, 3, day, 12, tzinfo=UTC)
            db.session.execute(
                update(Photo).where(Photo.public_id == public_id).values(created_at=moment)
            )
    return photos


def ids(page: history.Page) -> list[str]:
    return [photo.public_id for photo in page.items]


@pytest.mark.parametrize("sort", SORTS[:4])
def test_pages_are_the_same_forwards_and_backwards(app: Flask, dated: list[str], sort: str) -> None:
    wanted = GalleryFilter(sort=sort)
    with app.app_context():
        first = history.gallery_page(wanted, limit=2)
        second = history.gallery_page(wanted, limit=2, cursor=first.next)
        last = history.gallery_page(wanted, limit=2, cursor=history.LAST)
        assert (
            sorted(ids(first) + ids(second) + ids(last)) == sorted(dated)
            and not last.next
            and not first.previous
        )
        assert ids(history.gallery_page(wanted, limit=2, cursor=second.previous)) == ids(first)
        assert ids(history.gallery_page(wanted, limit=2, cursor=last.previous)) == ids(second)


def test_photos_that_arrive_shift_no_page(
    app: Flask, dated: list[str], upload: Callable[..., str]
) -> None:
    with app.app_context():
        second = history.gallery_page(
            GalleryFilter(), limit=2, cursor=history.gallery_page(GalleryFilter(), limit=2).next
        )
        new = upload(mark=50)
        assert (
            ids(history.gallery_page(GalleryFilter(), limit=2, cursor=second.previous))
            == dated[:3:-1]
        )
        back = history.gallery_page(
            GalleryFilter(),
            limit=2,
            cursor=history.gallery_page(GalleryFilter(), cursor=second.previous).previous,
        )
        assert ids(back) == [new, dated[5]]


@pytest.mark.parametrize(("sort", "first"), [("newest", 3), ("oldest", 3)])
def test_it_jumps_to_a_day(app: Flask, dated: list[str], sort: str, first: int) -> None:
    with app.app_context():
        cursor = history.cursor_at(GalleryFilter(sort=sort), date(2026, 3, 4))
        assert ids(history.gallery_page(GalleryFilter(sort=sort), cursor=cursor))[0] == dated[first]


def test_it_jumps_over_the_ends(app: Flask, dated: list[str]) -> None:
    with app.app_context():
        for day in (date.min, date.max, date(2026, 12, 31)):
            for sort in BY_ARRIVAL:
                history.gallery_page(
                    GalleryFilter(sort=sort),
                    cursor=history.cursor_at(GalleryFilter(sort=sort), day),
                )
        assert (
            ids(
                history.gallery_page(
                    GalleryFilter(), cursor=history.cursor_at(GalleryFilter(), date.max)
                )
            )
            == dated[::-1]
        )


@pytest.mark.parametrize("sort", SORTS[:4])
def test_days_are_kept_whole(
    app: Flask, dated: list[str], sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = GalleryFilter(since=date(2026, 3, 2), until=date(2026, 3, 4), sort=sort)
    with app.app_context():
        assert sorted(ids(history.gallery_page(wanted))) == sorted(dated[1:4])
        monkeypatch.setattr(sqlite, "FEW", -1)
        assert sorted(ids(history.gallery_page(wanted))) == sorted(dated[1:4])
        assert history.gallery_page(GalleryFilter(since=date.max - timedelta(days=1))).items == []


@pytest.mark.parametrize("part", ["img_3", "MG_3.J", "_3", '"', "%", "___"])
@pytest.mark.parametrize("sort", ["newest", "least-sure"])
def test_a_part_of_a_name_is_found_in_any_order(
    app: Flask, dated: list[str], part: str, sort: str
) -> None:
    expected = [] if part in ('"', "%", "___") else [dated[3]]
    with app.app_context():
        assert ids(history.gallery_page(GalleryFilter(filename=part, sort=sort))) == expected


def test_a_deleted_photos_name_is_forgotten(
    app: Flask, client: object, key: dict[str, str], upload: Callable[..., str]
) -> None:
    public_id = upload(name="secret.jpg")
    client.delete(f"/api/v1/photos/{public_id}", headers=key)  # type: ignore[attr-defined]
    with app.app_context():
        deleting.purge(files=get_files(), before=now() + timedelta(minutes=1))
        rows = db.session.connection().exec_driver_sql(
            "SELECT rowid FROM photo_names WHERE photo_names MATCH 'secret'"
        )
        assert rows.all() == []


def test_look_alikes_know_of_each_other(
    app: Flask, upload: Callable[..., str], client: object, key: dict[str, str]
) -> None:
    first = upload(mark=4000)
    wanted = GalleryFilter(duplicates="yes")
    with app.app_context():
        assert history.gallery_page(wanted).items == []
        second = upload(mark=4000, color="#FF8800")
        assert ids(history.gallery_page(wanted)) == [second, first]
        client.delete(f"/api/v1/photos/{second}", headers=key)  # type: ignore[attr-defined]
        db.session.remove()
        assert history.gallery_page(wanted).items == []
        client.post(f"/api/v1/photos/{second}/restore", headers=key)  # type: ignore[attr-defined]
        assert ids(history.gallery_page(wanted)) == [second, first]


def test_a_look_alike_that_comes_back_alone_has_none(
    app: Flask, upload: Callable[..., str], client: object, key: dict[str, str]
) -> None:
    first, second = upload(mark=4000), upload(mark=4000, color="#FF8800")
    for public_id in (first, second):
        client.delete(f"/api/v1/photos/{public_id}", headers=key)  # type: ignore[attr-defined]
    client.post(f"/api/v1/photos/{second}/restore", headers=key)  # type: ignore[attr-defined]
    with app.app_context():
        assert history.gallery_page(GalleryFilter(duplicates="yes")).items == []
        assert ids(history.gallery_page(GalleryFilter(duplicates="no"))) == [second]


def test_each_filter_narrows_a_query() -> None:
    ranges = {f"{end}_{name}" for end in ("min", "max") for name in ("confidence", "margin")}
    percentages = {"from_percent", "to", "margin_from", "margin_to"}
    columns = {"model", "version", "sort", "since", "until"}
    narrowed = {*query_filters._NARROWING, *ranges, *percentages, *columns}
    assert narrowed == set(GalleryFilter.model_fields)
