"""Two live models, one of which knows 196 labels: every page copes."""

import csv
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier, make_card
from tests.views.conftest import Send, send_photo
from webapp.inference.models.card import Label, ModelCard

NUMBER = 196


def many_labels() -> ModelCard:
    """196 cars of seven makes; car 3 is found in 1 of 10 photos and taken for car 4, all others
    in 9 of 10."""
    names = [f"make{number % 7}-{number:03}" for number in range(NUMBER)]
    labels = tuple(
        Label(name, f"Make{name[4]} Type {name[-3:]}", f"#{number:06x}", f"Make{name[4]}")
        for number, name in enumerate(names)
    )
    confusion = [[9 if row == column else 0 for column in range(NUMBER)] for row in range(NUMBER)]
    for row in range(NUMBER):
        confusion[row][(row + 1) % NUMBER] = 1
    confusion[3][3], confusion[3][4] = 1, 9
    per_label = {
        name: {"n": 10, "recall": 0.1 if place == 3 else 0.9, "precision": 0.9, "f1": 0.9}
        for place, name in enumerate(names)
    }
    metrics = {"test": {"n": 1960, "top1": 0.9, "per_label": per_label, "confusion": confusion}}
    return make_card(
        1,
        name="cars",
        title="Road cars",
        noun="car",
        noun_plural="cars",
        labels=labels,
        metrics=metrics,
    )


@pytest.fixture
def others() -> list[FakeClassifier]:
    return [FakeClassifier(many_labels())]


def rows(page: str) -> list[str]:
    """The labels of the table label by label, in order."""
    return re.findall(r"ground_truth=(make\d-\d{3})", page)


def test_the_card_shows_the_worst_and_offers_the_rest(client: FlaskClient) -> None:
    page = client.get("/models/cars/1").text
    assert len(rows(page)) == 20 and rows(page)[0] == "make3-003" and "The other 176" in page
    assert len(rows(client.get("/models/cars/1?labels=all").text)) == NUMBER


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("name", "make0-000"),
        ("best", "make0-000"),
        ("trust", "make0-000"),
        ("nonsense", "make3-003"),
    ],
)
def test_the_table_has_an_order_in_its_address(client: FlaskClient, order: str, first: str) -> None:
    assert rows(client.get(f"/models/cars/1?sort={order}").text)[0] == first


def test_labels_can_be_looked_for(client: FlaskClient) -> None:
    page = client.get("/models/cars/1?q=make3+type").text
    assert "28 cars of 196 with “make3 type”" in page and len(rows(page)) == 28
    page = client.get("/models/cars/1?q=<tractor>").text
    assert (
        "No car of 196 with “&lt;tractor&gt;”" in page
        and rows(page) == []
        and "None of these was measured." in page
    )


def test_mix_ups_stand_for_the_matrix_and_the_whole_table_is_a_csv(client: FlaskClient) -> None:
    page = client.get("/models/cars/1").text
    assert (
        'class="matrix"' not in page
        and page.index("Make3 Type 003</th><td>Make4 Type 004</td>")
        and "confusion.csv" in page
    )
    answer = client.get("/models/cars/1/confusion.csv")
    table = list(csv.reader(io.StringIO(answer.text)))
    assert (len(table), len(table[0]), table[4][4:6]) == (NUMBER + 1, NUMBER + 1, ["1", "9"])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cars-1-confusion.csv"'


def test_a_card_without_figures_has_no_table(client: FlaskClient) -> None:
    assert client.get("/models/f1-teams/1/confusion.csv").status_code == 404


def test_ten_labels_are_shown_as_ever(client: FlaskClient) -> None:
    page = client.get("/models/f1-teams/1").text
    assert "Look for a team" not in page and "<details><summary>All" not in page


def test_the_upload_page_offers_both_and_shows_ten_tiles(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "Road cars: 196 cars" in page and page.count('class="tile"') == 10


def test_a_photo_has_five_bars_and_folds_the_other_191(
    client: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    path = f"/photos/{send('#000080', model='cars')}"
    page = client.get(path).text
    assert "The other 191" in page and page.count('class="rank"') == NUMBER
    # five ranked labels, the search, none, unusable, no car: nine keys
    assert reviewer.get(path).text.count('<kbd class="key"') == 9
    assert "The other 191" not in client.get(f"{path}/models").text


@pytest.mark.parametrize(
    "path", ["/models", "/models/cars", "/gallery", "/gallery?model=cars", "/help"]
)
def test_every_page_answers(
    client: FlaskClient, reviewer: FlaskClient, send: Send, path: str
) -> None:
    send(model="all")
    assert client.get(path).status_code == reviewer.get(path).status_code == 200


def test_as_the_sites_own_model_it_shows_the_labels_that_have_a_photo(
    make_app: Callable[..., Flask], admin_of: Callable[[Flask], FlaskClient]
) -> None:
    admin = admin_of(make_app(FakeClassifier(many_labels())))
    assert "None of them has a checked photo here yet." in admin.get("/").text
    admin.post(f"/photos/{send_photo(admin)}/label", data={"label": "make3-003"})
    page = admin.get("/").text
    assert (
        "Here are the ones with a checked photo." in page
        and "All 196 cars" in page
        and page.count("ground_truth=make") == 1
    )
