"""The list of suspected labels, and photos that look alike on a photo's page."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier
from tests.views.conftest import Send, send_photo, text_of
from webapp.services.photos import gallery as history


def doubted(send: Send, classifier: FakeClassifier) -> str:
    """A photo with the label Haas that the model takes for a McLaren; returns its id."""
    classifier.says(mclaren=0.8)
    send(mark=1, ground_truth="mclaren")
    classifier.says(mclaren=0.9)
    return send(mark=2, ground_truth="haas")


def test_a_visitor_is_asked_to_log_in(client: FlaskClient) -> None:
    assert client.get("/review/suspected").location.startswith("/login")
    assert client.post("/review/suspected", data={"label": "haas"}).status_code == 401


def test_an_empty_history_says_what_is_missing(reviewer: FlaskClient) -> None:
    page = reviewer.get("/review/suspected")
    assert page.status_code == 200 and "Nothing to compare yet" in text_of(page)


def test_the_list_says_what_is_doubted_and_how_it_was_judged(
    reviewer: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    photo = doubted(send, classifier)
    page = text_of(reviewer.get("/review/suspected"))
    assert "1 suspected label" in page and f"/photos/{photo}" in page
    assert "It is McLaren" in page and "Keep Haas" in page
    assert "Nobody knows which photos f1-teams 1 was trained on" in page


def test_one_press_corrects_and_can_be_taken_back(
    app: Flask, reviewer: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    photo = doubted(send, classifier)
    reviewer.get("/review/suspected")
    form = {"photo": photo, "label": "mclaren", "model": "f1-teams", "next": "/review/suspected"}
    page = text_of(reviewer.post("/review/suspected", data=form, follow_redirects=True))
    assert "Saved: <b>McLaren.</b>" in page and "Undo" in page and "No label is suspected" in page
    with app.app_context():
        assert history.get_photo(photo).ground_truth == "mclaren"


def test_one_press_keeps_the_label_for_good(
    reviewer: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    photo = doubted(send, classifier)
    reviewer.get("/review/suspected")
    page = text_of(
        reviewer.post(
            "/review/suspected", data={"photo": photo, "label": "haas"}, follow_redirects=True
        )
    )
    assert "Kept: <b>Haas.</b>" in page
    assert "No label is suspected" in text_of(
        reviewer.post("/review/suspected/look", data={}, follow_redirects=True)
    )


def test_a_filter_without_photos_leads_back(
    reviewer: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    doubted(send, classifier)
    page = text_of(reviewer.get("/review/suspected?ground_truth=bwt"))
    assert "No label is suspected with this filter" in page and "Show every label" in page


def test_a_cursor_of_another_list_is_said(
    reviewer: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    doubted(send, classifier)
    page = reviewer.get("/review/suspected?cursor=nonsense")
    assert (
        page.status_code == 400
        and "Here are all of them" in text_of(page)
        and "It is McLaren" in text_of(page)
    )


def test_a_photo_that_is_gone_is_said(reviewer: FlaskClient) -> None:
    page = reviewer.post(
        "/review/suspected", data={"photo": "gone", "label": "haas"}, follow_redirects=True
    )
    assert "not there any more" in text_of(page)


def test_a_photo_page_shows_what_looks_like_it(client: FlaskClient, send: Send) -> None:
    first, second = send(mark=1, ground_truth="mclaren"), send(mark=2)
    page = text_of(client.get(f"/photos/{second}"))
    assert "Nearly the same photo" in page and "Looks like these" in page
    assert page.count(f"/photos/{first}/thumbnail") == 2
    assert "No photo has been checked as" in page


def test_who_may_not_browse_sees_no_photos_of_others(make_app) -> None:
    app = make_app(FakeClassifier(), gallery="login")
    other, visitor = app.test_client(), app.test_client()
    send_photo(other, mark=1, ground_truth="mclaren")
    page = visitor.get(f"/photos/{send_photo(visitor, mark=2)}")
    assert (
        page.status_code == 200
        and "Nearly the same" not in text_of(page)
        and "Looks like these" not in text_of(page)
    )
