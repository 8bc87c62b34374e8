"""Label sets that leave as a file and come back."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadRequestError
from webapp.extensions import get_registry
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import remap
from webapp.services.labels import label_sets, merges
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.label_set_files import (
    import_file,
    to_json,
    to_table,
)
from webapp.services.labels.remap import Editor
from webapp.storage.database import db
from webapp.storage.labels import edits

CARD = make_card()
ANNA = Who("Anna")


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


def editor() -> Editor:
    return remap.editor(get_registry(), Sender(Owner("user:1"), ANNA))


def take(text: str, *, apply: bool = True) -> list[tuple[str, str]]:
    return import_file(CARD, text.encode(), editor(), apply=apply)


def forget() -> None:
    """As another Marque that has the same model and no change."""
    for table in reversed(db.metadata.sorted_tables):
        db.session.execute(table.delete())
    db.session.commit()


@pytest.mark.parametrize("write", [to_json, to_table])
def test_a_label_set_comes_back_as_it_left(write) -> None:  # type: ignore[no-untyped-def]
    label_sets.change_label(
        CARD,
        "haas",
        {"name": "=Хаас", "aliases": "Лада\nГранта", "key": "h", "retired": "yes"},
        who=ANNA,
    )
    merges.split_label(CARD, "ferrari", ["SF70", "СФ90"], editor())
    merges.merge_label(CARD, "bwt", "mclaren", editor())
    seen = label_sets.card_now(CARD)
    text = write(seen)
    forget()
    assert len(take(text)) == 3
    assert label_sets.card_now(CARD) == seen and take(text) == []


def test_a_look_says_what_would_change_and_changes_nothing() -> None:
    planned = take(
        "label,display,merged_into\nhaas,Хаас,\nbwt,,mclaren\n".replace("bwt,,", "bwt,BWT,"),
        apply=False,
    )
    assert planned == [("haas", "name: Хаас"), ("bwt", "merged into mclaren")]
    assert edits.edits_of(CARD.name) == [] and current_card(CARD) is CARD


def test_a_file_is_taken_whole_or_not_at_all() -> None:
    with pytest.raises(BadRequestError, match="bwt: A colour is written"):
        take(json.dumps([{"label": "haas", "display": "Хаас"}, {"label": "bwt", "color": "red"}]))
    assert edits.edits_of(CARD.name) == []


def test_what_the_file_leaves_out_stays() -> None:
    label_sets.change_label(CARD, "haas", {"key": "h"}, who=ANNA)
    take("label,display\nhaas,Хаас\n")
    assert label_sets.card_now(CARD).label("haas").key == "h"


def test_parts_of_parts_come_in_whatever_their_order() -> None:
    take(
        '[{"label": "c1", "split_from": "b1"}, {"label": "c2", "split_from": "b1"}, '
        '{"label": "b1", "split_from": "haas"},'
        ' {"label": "b2", "split_from": "haas"}]'
    )
    assert current_card(CARD).label("c2").split == "b1"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "columns"),
        ("display\nHaas\n", "columns"),
        ("label\nhaas\nhaas\n", "twice"),
        ("[1]", "list of objects"),
        ("[", "no JSON"),
        ("label\ntrabant\n", "trabant: There is no label"),
        ('label\n"haas', "no table"),
    ],
)
def test_what_is_no_label_set_is_refused(text: str, word: str) -> None:
    with pytest.raises(BadRequestError, match=word):
        take(text)
