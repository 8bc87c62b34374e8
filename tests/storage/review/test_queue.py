"""The queries of the review go through indexes, however many photos there are."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from webapp.gallery_filter import GalleryFilter
from webapp.services.operations import health
from webapp.storage.database import db
from webapp.storage.review.queue import ReviewScope, next_photos_statement

ORDERS = ["least-sure", "margin", "versions", "suspected", "audit"]

SORTING = [("margin", "f1-teams")]
"""Here an index finds all open photos; no index has the outcome and margin of a model's answers."""


@pytest.mark.parametrize(
    ("order", "model"),
    [*((order, model) for order in ORDERS for model in ("", "f1-teams")), ("disputed", "")],
)
def test_the_next_photos_are_found_without_reading_or_sorting_all(
    app: Flask, order: str, model: str
) -> None:
    scope = ReviewScope(order, GalleryFilter(model=model), user_id=1, audit_id=1)
    with app.app_context():
        health.tell_planner()
        db.session.remove()
        db.engine.dispose()  # a connection reads the figures when it opens
        statement = next_photos_statement(scope, limit=5, without={1}).compile(
            db.engine, compile_kwargs={"literal_binds": True}
        )
        plan = [row[3] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    sorting = () if (order, model) in SORTING else ("USE TEMP",)
    assert not [step for step in plan if step.startswith(("SCAN", *sorting))], plan
