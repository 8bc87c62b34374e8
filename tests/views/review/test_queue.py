"""The review page: who may see it, what it asks, and where each press leads."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier, make_card
from tests.views.conftest import Send, text_of
from webapp.inference.models.card import Label
from webapp.services.photos import gallery as history
from webapp.services.review import queue as review


def truth(app: Flask, public_id: str) -> str | None:
    with app.app_context():
        return history.get_photo(public_id).ground_truth


def shown(page: str) -> str:
    match = re.search(r'name="photo" value="([\w-]+)"', page)
    return match[1] if match else ""


def test_a_visitor_is_asked_to_log_in(client: FlaskClient) -> None:
    assert client.get("/review").location.startswith("/login")
    assert client.post("/review", data={"label": "haas"}).status_code == 401
    assert "Review" not in text_of(client.get("/gallery"))


def test_an_empty_history_says_what_to_do(reviewer: FlaskClient) -> None:
    page = text_of(reviewer.get("/review"))
    assert "Nothing to review: no photo has come yet" in page and 'href="/"' in page


@pytest.mark.parametrize("order", review.ORDERS)
def test_every_order_has_words_and_says_when_nothing_is_left(
    reviewer: FlaskClient, order: str
) -> None:
    answer = reviewer.get(f"/review?order={order}")
    assert answer.status_code == 200 and 'class="empty"' in text_of(answer)


def test_the_photo_its_question_and_its_keys_are_shown(reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    page = text_of(reviewer.get("/review"))
    assert f"/photos/{public_id}/view" in page and "McLaren" in page and "1 to go" in page
    for key in ("1 Enter", "5", "n", "u", "s", "/", "w", "?"):
        assert f'aria-keyshortcuts="{key}"' in page


def test_a_press_gives_the_label_and_leads_to_the_next_photo(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    send(mark=1), send(mark=2)
    first = shown(text_of(reviewer.get("/review")))
    answer = reviewer.post(
        "/review",
        data={"photo": first, "label": "haas", "why": "seen close"},
        follow_redirects=True,
    )
    assert truth(app, first) == "haas"
    assert shown(text_of(answer)) not in ("", first)
    assert "Saved: <b>Haas</b>" in text_of(answer)


def test_a_press_keeps_order_and_filter(reviewer: FlaskClient, send: Send) -> None:
    answer = reviewer.post(
        "/review?order=margin&predicted=mclaren", data={"photo": send(), "label": "haas"}
    )
    assert (answer.status_code, answer.location) == (303, "/review?order=margin&predicted=mclaren")


def test_undo_shows_the_photo_again(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    reviewer.post("/review", data={"photo": public_id, "label": "haas"})
    answer = reviewer.post("/review/undo", follow_redirects=True)
    assert shown(text_of(answer)) == public_id and "Taken back:" in text_of(answer)
    assert truth(app, public_id) is None
    assert "nothing to undo" in text_of(reviewer.post("/review/undo", follow_redirects=True))


def test_later_brings_the_others_first(reviewer: FlaskClient, send: Send) -> None:
    send(mark=1), send(mark=2)
    first = shown(text_of(reviewer.get("/review")))
    assert (
        shown(text_of(reviewer.post("/review/later", data={"photo": first}, follow_redirects=True)))
        != first
    )


def test_an_unknown_label_is_refused(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    assert (
        reviewer.post("/review", data={"photo": public_id, "label": "trabant"}).status_code == 422
    )
    assert truth(app, public_id) is None


def test_a_reason_without_a_label_is_kept(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    page = text_of(
        reviewer.post(
            "/review",
            data={"photo": public_id, "label": "", "why": "blurred"},
            follow_redirects=True,
        )
    )
    assert "Press the label itself" in page and 'value="blurred"' in page
    assert truth(app, public_id) is None


def test_a_photo_deleted_meanwhile_is_said_so_and_the_next_one_comes(
    reviewer: FlaskClient, send: Send
) -> None:
    public_id = send()
    answer = reviewer.post(
        "/review", data={"photo": "gone", "label": "haas"}, follow_redirects=True
    )
    assert "somebody has deleted it" in text_of(answer) and shown(text_of(answer)) == public_id


@pytest.mark.parametrize("query", ["order=best", "outcome=green"])
def test_a_question_that_makes_no_sense_is_said_above(
    reviewer: FlaskClient, send: Send, query: str
) -> None:
    public_id = send()
    answer = reviewer.get(f"/review?{query}")
    assert (
        answer.status_code == 400
        and 'role="alert"' in text_of(answer)
        and shown(text_of(answer)) == public_id
    )


def test_a_filter_links_to_the_gallery_and_back_to_all(reviewer: FlaskClient, send: Send) -> None:
    send()
    page = text_of(reviewer.get("/review?predicted=mclaren"))
    assert 'href="/gallery?predicted=mclaren"' in page and 'href="/review?order=least-sure"' in page
    assert "Nothing to review with this filter" in text_of(reviewer.get("/review?predicted=haas"))


def test_the_gallery_leads_to_the_review_of_what_it_shows(
    reviewer: FlaskClient, client: FlaskClient, send: Send
) -> None:
    send()
    assert 'href="/review?predicted=mclaren"' in text_of(
        reviewer.get("/gallery?predicted=mclaren&sort=least-sure")
    )
    assert "/review" not in text_of(client.get("/gallery"))


def test_a_labelled_photo_can_be_kept(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    send(ground_truth="mclaren", mark=5)
    public_id = send(ground_truth="haas")
    page = text_of(reviewer.get("/review?order=suspected"))
    assert "It has the label <b>Haas</b>" in page and "Keep Haas" in page
    reviewer.post("/review?order=suspected", data={"photo": public_id, "label": "haas"})
    assert "no label is suspected" in text_of(reviewer.get("/review?order=suspected"))


def test_an_audit_does_not_tell_the_label(reviewer: FlaskClient, send: Send) -> None:
    send(ground_truth="haas")
    page = text_of(reviewer.post("/review/audits", data={"size": "50"}, follow_redirects=True))
    assert "1 to go" in page and "has the label" not in page and "Keep Haas" not in page
    reviewer.post("/review?order=audit", data={"photo": shown(page), "label": "haas"})
    assert "The sample is checked: all 1" in text_of(reviewer.get("/review?order=audit"))


@pytest.mark.parametrize("form", [{"size": "7"}, {"size": ""}, {"size": "many"}, {}])
def test_a_strange_size_of_a_sample_is_refused_in_words(
    reviewer: FlaskClient, send: Send, form: dict[str, str]
) -> None:
    send()
    answer = reviewer.post("/review/audits", data=form, follow_redirects=True)
    assert "A sample has 50, 100" in text_of(answer)


def test_a_sample_of_200_is_proposed(reviewer: FlaskClient, send: Send) -> None:
    send()
    page = text_of(reviewer.get("/review?order=audit"))
    assert re.search(r'<option selected value="200">200 photos</option>', page)


def test_another_person_is_told_that_the_last_ones_are_taken(
    reviewer: FlaskClient, admin: FlaskClient, send: Send
) -> None:
    send()
    reviewer.get("/review")
    assert "the last one is with somebody else" in text_of(admin.get("/review"))


# ---- finding a label ----


class TestFinding:
    @pytest.fixture
    def classifier(self) -> FakeClassifier:
        labels = (
            Label("vaz-2105", "ВАЗ-2105 «Пятёрка»", "#808080", "Lada", ("Lada Riva", "Nova")),
            Label("octavia", "Škoda Octavia", "#808080", "Škoda"),
            Label("s4", "Audi S4", "#808080", "Audi"),
            Label("s5", "Audi S5 Coupé", "#808080", "Audi"),
        )
        return FakeClassifier(make_card(labels=labels))

    @pytest.mark.parametrize(
        ("letters", "names"),
        [
            ("пятерка", ["vaz-2105"]),
            ("LADA", ["vaz-2105"]),
            ("riv", ["vaz-2105"]),
            ("skoda", ["octavia"]),
            ("coupe audi", ["s5"]),
            ("audi", ["s4", "s5"]),
            ("s5", ["s5"]),
            ("trabant", []),
            ("", ["s4", "s5", "octavia", "vaz-2105"]),
        ],
    )
    def test_letters_find_names_aliases_and_parents_in_any_script(
        self, reviewer: FlaskClient, letters: str, names: list[str]
    ) -> None:
        page = text_of(reviewer.get("/review/labels", query_string={"q": letters}))
        assert (
            re.findall(r'class="find" form="decide" name="label" value="([\w-]+)"', page) == names
        )
        assert names or "No label has" in page

    def test_a_found_label_shows_its_newest_checked_photo(
        self, reviewer: FlaskClient, send: Send
    ) -> None:
        public_id = send(ground_truth="s4")
        assert f"/photos/{public_id}/thumbnail" in text_of(reviewer.get("/review/labels?q=s4"))
