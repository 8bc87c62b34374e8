"""How the history is asked."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import event

from webapp.storage import photos
from webapp.storage.database import db
from webapp.values import GalleryFilter


@pytest.mark.parametrize("wanted", [GalleryFilter(), GalleryFilter(outcome="wrong"), GalleryFilter(sort="least-sure")])
@pytest.mark.parametrize("question", [lambda wanted: photos.page_of_photos(wanted, 24, None), photos.count_by_outcome])
def test_a_photos_prediction_is_found_by_the_photo(app: Flask, wanted: GalleryFilter, question: object) -> None:
    asked: list[tuple[str, object]] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *arguments: asked.append((arguments[2], arguments[3])))
        question(wanted)  # type: ignore[operator]
        (statement, values) = next(one for one in asked if one[0].startswith("SELECT"))
        plan = [row[3] for row in db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert not [line for line in plan if "predictions" in line and "(shown=?)" in line and "LEFT-JOIN" in line], plan
