"""The review's questions go through indexes, however many photos there are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from webapp.storage.database import db
from webapp.storage.review import Scope, next_photos_question
from webapp.storage.tables import now
from webapp.values import GalleryFilter

ORDERS = ["least-sure", "margin", "versions", "suspected", "audit"]


@pytest.mark.parametrize(("order", "model"), [*((one, model) for one in ORDERS for model in ("", "f1-teams")), ("disputed", "")])
def test_the_next_photos_are_found_without_reading_or_sorting_all(app: Flask, order: str, model: str) -> None:
    scope = Scope(order, GalleryFilter(model=model), user_id=1, now=now(), since=now() - timedelta(hours=12), audit_id=1)
    with app.app_context():
        question = next_photos_question(scope, limit=5, without={1}).compile(db.engine, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {question}"))]
    assert not [step for step in plan if step.startswith(("SCAN", "USE TEMP"))], plan
