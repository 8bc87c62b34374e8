"""The queries of the review go through indexes, however many photos there are."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.conftest import plan_of
from webapp.gallery_filter import GalleryFilter
from webapp.services.operations import health
from webapp.storage.database import db
from webapp.storage.review.queue import ReviewScope, next_cars

ORDERS = ["least-sure", "margin", "versions", "suspected", "audit"]

SORTING = [("margin", "f1-teams")]
"""Here an index finds all open photos; no index has the outcome and margin of a model's answers."""


@pytest.mark.parametrize(
    ("order", "model"),
    [*((order, model) for order in ORDERS for model in ("", "f1-teams")), ("disputed", "")],
)
def test_the_next_cars_are_found_without_reading_or_sorting_all(
    app: Flask, order: str, model: str
) -> None:
    scope = ReviewScope(order, GalleryFilter(model=model), user_id=1, audit_id=1)
    with app.app_context():
        health.tell_planner()
        db.session.remove()
        db.engine.dispose()  # a connection reads the figures when it opens
        plan = plan_of(lambda: next_cars(scope, limit=5, without={1}))
    sorting = () if (order, model) in SORTING else ("USE TEMP",)
    assert not [step for step in plan if step.startswith(("SCAN", *sorting))], plan
