"""The stats page: what it says, where its numbers lead, what it does without any."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.answers import AUDIT, MARCH, Checked, certain, remember, trained_on
from tests.conftest import install
from tests.fakes import FakeClassifier, make_card
from tests.views.conftest import Send
from webapp.domain import NONE_OF_THESE
from webapp.inference.models.card import Label, ModelCard
from webapp.storage import sqlite
from webapp.storage.stats import stats as storage

HAAS, BWT, UNSURE = "haas", "bwt", 0.3


@pytest.fixture
def checked(app: Flask, classifier: FakeClassifier) -> ModelCard:
    """Nine checked photos: six right (two of them audited), two mixed up, one not sure."""
    card = classifier.card
    right = [
        Checked(HAAS, certain(card, HAAS), AUDIT if number < 2 else "gallery")
        for number in range(6)
    ]
    wrong = [Checked(BWT, certain(card, HAAS, 0.8)), Checked(BWT, certain(card, HAAS, 0.7))]
    with app.app_context():
        remember(card, [*right, *wrong, Checked(BWT, certain(card, BWT, UNSURE))])
    return card


def page(client: FlaskClient, **asked: str) -> str:
    answer = client.get("/stats", query_string=asked)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", html.unescape(answer.text))


def test_it_says_what_to_do_before_anything_is_checked(client: FlaskClient, send: Send) -> None:
    send()
    text = page(client)
    assert "No checked photo yet" in text
    assert 'href="/gallery?outcome=unlabelled"' in text


def test_the_audited_number_is_the_headline(client: FlaskClient, checked: ModelCard) -> None:
    text = page(client)
    assert "Right on > 99 % <span>of audited photos." in text
    assert "drawn at random, so this is the fair number. With 2 of them" in text


def test_without_an_audit_it_says_that_doubtful_photos_come_first(
    client: FlaskClient, app: Flask, classifier: FakeClassifier
) -> None:
    with app.app_context():
        remember(classifier.card, [Checked(HAAS, certain(classifier.card, HAAS))])
    assert "People check the photos they doubt first" in page(client)


LINK = re.compile(
    r'<a href="(/gallery[^"]*)"(?: title="(?:([\d,]+) of |[^"]*: )?[^"]*")?>([^<]*)</a>'
)


def numbers(client: FlaskClient, **asked: str) -> list[tuple[str, int]]:
    """Every number of the page that opens photos: the address, and how many it says.

    A share says so in its title.
    """
    links = [
        (address, re.search(r"\d+", title or text))
        for address, title, text in LINK.findall(page(client, **asked))
    ]
    return sorted({(address, int(number[0])) for address, number in links if number})


def tiles(client: FlaskClient, address: str) -> int:
    return len(re.findall(r'class="tile"', client.get(address).text))


@pytest.fixture
def much(app: Flask, checked: ModelCard) -> ModelCard:
    """The same with a second month, photos of no label or unchecked, and an older version.

    This version was trained on two photos.
    """
    answers = [
        Checked(NONE_OF_THESE, certain(checked, HAAS, UNSURE)),
        Checked(NONE_OF_THESE, certain(checked, BWT, 0.5), AUDIT),
        Checked("", certain(checked, HAAS)),
        Checked("unusable", certain(checked, HAAS)),
        Checked(BWT, certain(checked, BWT), created_at=MARCH.replace(month=4)),
        Checked("ferrari", certain(checked, BWT, 0.95), created_at=MARCH.replace(month=4)),
        Checked(HAAS, certain(checked, HAAS), created_at=MARCH.replace(month=4)),
    ]
    with app.app_context():
        remember(checked, answers, start=10)
        older = replace(checked, version=4)
        install(older, app.extensions["marque"].config.models)
        remember(
            older,
            [Checked(HAAS, certain(checked, HAAS if number % 2 else BWT)) for number in range(9)],
            again=True,
        )
        trained_on(checked, [f"{number:064x}" for number in (1, 7)])
    return checked


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"include": "learnt"},
        {"sample": "audit"},
        {"ground_truth": BWT},
        {"since": "2026-04-01", "from": "75"},
        {"checked": "first"},
        {"model": "f1-teams@4"},
        {"learnt": "yes"},
    ],
    ids=str,
)
def test_every_number_opens_as_many_photos_as_it_says(
    client: FlaskClient, much: ModelCard, asked: dict[str, str]
) -> None:
    links = numbers(client, **asked)
    assert len(links) >= 10
    for address, number in links:
        assert tiles(client, address) == number, address


def test_the_f1_opens_the_table_label_by_label(client: FlaskClient, checked: ModelCard) -> None:
    assert re.search(r'<a href="/stats[?][^"]*#one-by-one">0[.]\d\d</a>', page(client))


def test_photos_that_it_was_trained_on_are_left_out_and_it_says_so(
    client: FlaskClient, much: ModelCard
) -> None:
    text = page(client)
    assert "2 checked photos</a> are left out, since f1-teams 1 was trained on them." in text
    include = re.findall(r'<a href="([^"]+)">Include them</a>', text)[0]
    assert "of these, which flatters it." in re.sub(r"\s+", " ", client.get(include).text)


def test_when_it_was_trained_on_all_of_them_nothing_is_said_about_others(
    client: FlaskClient, app: Flask, checked: ModelCard
) -> None:
    with app.app_context():
        trained_on(checked, [f"{number:064x}" for number in range(1, 10)])
    text = page(client)
    assert "was trained on all 9 checked photos here" in text and "include=learnt" in text


def test_a_version_without_a_list_says_that_nobody_knows(
    client: FlaskClient, checked: ModelCard
) -> None:
    assert "Nobody knows what f1-teams 1 was trained on" in page(client)


def test_too_many_photos_are_not_counted_but_said_so(
    client: FlaskClient, checked: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_COUNTING", -1.0)
    monkeypatch.setattr(sqlite, "_STEPS", 1)
    answer = client.get("/stats?ground_truth=haas")
    assert (
        answer.status_code == 422
        and "Narrow the filter" in answer.text
        and "Count all photos" in answer.text
    )
    assert client.get("/api/v1/stats?ground_truth=haas").status_code == 422


def test_counts_of_audited_photos_open_only_those(client: FlaskClient, checked: ModelCard) -> None:
    address = re.findall(r'<a href="([^"]+)">2 right</a>', page(client, sample="audit"))[0]
    assert "audited=yes" in address
    assert len(re.findall(r'class="tile"', client.get(address).text)) == 2


@pytest.mark.parametrize("words", ["6 right", "1 not sure", "2 wrong"])
def test_the_outcomes_open_their_photos(
    client: FlaskClient, checked: ModelCard, words: str
) -> None:
    address = re.findall(rf'<a href="([^"]+)">{words}</a>', page(client))[0]
    assert len(re.findall(r'class="tile"', client.get(address).text)) == int(words[0])


def test_mix_ups_show_their_photos(client: FlaskClient, checked: ModelCard) -> None:
    text = page(client)
    assert "BWT taken for Haas" in text
    assert text.count("answered Haas</span>") == 2


def test_a_threshold_can_be_tried_without_a_script(client: FlaskClient, checked: ModelCard) -> None:
    assert "At 75 %: <b>86 % of the names are right</b>, 22 % of the photos get none." in page(
        client, at="75"
    )


def test_a_filter_of_the_gallery_narrows_the_page(client: FlaskClient, checked: ModelCard) -> None:
    text = page(client, ground_truth=BWT)
    assert "Right on < 1 %" in text
    assert "Count all" in text


def test_a_filter_without_checked_photos_says_so(client: FlaskClient, checked: ModelCard) -> None:
    assert "No checked photo with these filters" in page(client, ground_truth="ferrari")


def test_photos_of_none_of_the_labels_have_a_row(
    client: FlaskClient, app: Flask, classifier: FakeClassifier
) -> None:
    card = classifier.card
    with app.app_context():
        remember(
            card,
            [
                Checked(NONE_OF_THESE, certain(card, HAAS, UNSURE)),
                Checked(HAAS, certain(card, HAAS)),
            ],
        )
    text = page(client)
    assert (
        "shows none of the teams it left <a" in text
        and ">1</a> without a name, which is right" in text
    )
    assert '<abbr title="None of these">–</abbr>' in text


def test_the_labels_come_as_csv(client: FlaskClient, checked: ModelCard) -> None:
    rows = client.get("/stats/labels.csv").text.splitlines()
    assert rows[0].startswith("label,name,photos,found,precision,recall")
    assert rows[1].startswith("bwt,BWT,3,0,,0.0,0.0,")


def test_the_matrix_comes_as_csv(client: FlaskClient, checked: ModelCard) -> None:
    rows = dict(line.split(",", 1) for line in client.get("/stats/matrix.csv").text.splitlines())
    names = rows["truth"].split(",")
    assert dict(zip(names, rows["bwt"].split(","), strict=True))["haas"] == "2"


@pytest.mark.parametrize(
    "asked", [{"sample": "most"}, {"at": "seventy"}, {"model": "f1-teams@one"}, {"from": "many"}]
)
def test_an_address_that_makes_no_sense_is_said_so(
    client: FlaskClient, asked: dict[str, str]
) -> None:
    answer = client.get("/stats", query_string=asked)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_an_unknown_version_is_not_there(client: FlaskClient) -> None:
    assert client.get("/stats?model=f1-teams@7").status_code == 404


def test_a_matrix_of_many_labels_is_a_picture_with_links(
    client: FlaskClient, app: Flask, classifier: FakeClassifier
) -> None:
    labels = tuple(
        Label(f"car-{place:03d}", f"Car {place}", parent=f"Maker {place % 4}")
        for place in range(196)
    )
    card = make_card(name="cars", labels=labels, threshold=0.4)
    with app.app_context():
        install(card, app.extensions["marque"].config.models)
        remember(
            card,
            [
                Checked(f"car-{place:03d}", certain(card, f"car-{place + 4:03d}"))
                for place in range(40)
            ],
        )
    text = page(client, model="cars@1")
    place = "/gallery?model=cars&version=1&ground_truth=car-000&decision=car-004"
    cell = '<g class="cell h1"><title>Car 0, answered Car 4: 1<'
    assert f'<a href="{place}">{cell}' in text
    assert "Car 50" not in text.partition("matrix-chart")[2].partition("</svg>")[0]
    assert '<abbr title="Maker 0">' in page(client, model="cars@1", group="parent")


def test_a_closed_gallery_keeps_its_numbers_to_itself(make_app: object) -> None:
    client = make_app(gallery="login").test_client()  # type: ignore[operator]
    assert client.get("/stats").status_code == 303
