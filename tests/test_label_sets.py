"""Cards with their labels as people see them, as the extensions hands them out."""

from flask import Flask, g
from sqlalchemy import text

from webapp.domain import Who
from webapp.extensions import get_card, get_registry
from webapp.services.labels.label_sets import change_label
from webapp.storage.database import db


def rename(name: str) -> None:
    change_label(get_registry().published_card("f1-teams"), "haas", {"name": name}, who=Who("Anna"))
    g.pop("last_label_edit", None)  # as the next request finds it


def test_every_card_but_the_published_one_has_the_new_names(app: Flask) -> None:
    with app.app_context():
        rename("Хаас")
        assert [
            card.label("haas").display for card in (get_card(), get_registry().card("f1-teams"))
        ] == ["Хаас", "Хаас"]
        assert get_registry().published_card("f1-teams").label("haas").display == "Haas"
        rename("Haas F1")
        assert get_card().label("haas").display == "Haas F1"


def test_a_card_is_made_once_until_somebody_changes_a_label(app: Flask) -> None:
    with app.app_context():
        rename("Хаас")
        assert get_card() is get_card() and get_registry().card("f1-teams") is get_registry().card(
            "f1-teams"
        )


def test_cards_are_shown_as_published_while_the_history_cannot_be_read(app: Flask) -> None:
    with app.app_context():
        db.session.execute(text("DROP TABLE label_edits"))
        assert get_card().label("haas").display == "Haas"
        db.session.rollback()
