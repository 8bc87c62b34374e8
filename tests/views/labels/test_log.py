"""The label log: what it shows, its filters, and the three sizes of undo."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.fakes import make_card
from tests.views.conftest import Send
from webapp.domain import Who
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import Selection, relabel_all
from webapp.storage.labels.events import Stamp


def truth(app: Flask, public_id: str) -> str | None:
    with app.app_context():
        return history.get_photo(public_id).ground_truth


def label(client: FlaskClient, public_id: str, to: str, **fields: str) -> None:
    assert (
        client.post(f"/photos/{public_id}/label", data={"label": to, **fields}).status_code == 303
    )


def lines(page: str) -> list[str]:
    """The sentences of the log's entries."""
    entries = re.findall(r"<p><b>([^<]+)</b> (.*?)</p>", page)
    return [" ".join(re.sub(r"<[^>]+>", "", f"{who} {what}").split()) for who, what in entries]


@pytest.mark.parametrize(
    ("query", "entries"),
    [
        ("", ["Anna said BWT (was Haas)", "Ben said Haas", "A visitor said Renault"]),
        ("who=Ben", ["Ben said Haas"]),
        ("to_label=bwt", ["Anna said BWT (was Haas)"]),
        ("from_label=haas", ["Anna said BWT (was Haas)"]),
        ("place=upload", ["A visitor said Renault"]),
        ("disputed=yes", ["Anna said BWT (was Haas)", "Ben said Haas"]),
        ("until=2020-01-01", []),
        ("since=2020-01-01&who=Anna&place=photo", ["Anna said BWT (was Haas)"]),
    ],
)
def test_filters_narrow_the_log(
    admin: FlaskClient, reviewer: FlaskClient, send: Send, query: str, entries: list[str]
) -> None:
    send(mark=1, ground_truth="renault")
    public_id = send(mark=2)
    label(reviewer, public_id, "haas")
    label(admin, public_id, "bwt")
    page = admin.get(f"/admin/log?{query}").text
    assert lines(page) == entries
    assert entries or "Nothing in the log with these filters" in page


def test_today_is_in_the_log_until_today(admin: FlaskClient, send: Send) -> None:
    label(admin, send(), "haas")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert lines(admin.get(f"/admin/log?since={today}&until={today}").text) == ["Anna said Haas"]


def test_a_day_that_is_none_is_said_above(admin: FlaskClient) -> None:
    answer = admin.get("/admin/log?since=yesterday")
    assert answer.status_code == 400 and "since must be a day like" in answer.text


def test_the_reason_stands_in_the_log(admin: FlaskClient, send: Send) -> None:
    label(admin, send(), "haas", why="the front wing")
    assert "“the front wing”" in admin.get("/admin/log").text


def test_pages_follow_each_other_and_keep_the_filter(
    admin: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    public_id = send()
    for number in range(60):
        label(admin, public_id, "haas" if number % 2 else "bwt")
    first = admin.get("/admin/log?who=Anna").text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None and "who=Anna" in following[1]
    label(reviewer, public_id, "mclaren")  # what comes meanwhile shifts nothing
    assert len(lines(first)) + len(lines(admin.get(following[1].replace("&amp;", "&")).text)) == 60


def test_one_photo_of_a_batch_can_be_taken_back_alone(
    app: Flask, admin: FlaskClient, send: Send
) -> None:
    ids = [send(mark=number) for number in range(3)]
    with app.app_context():
        stamp = Stamp(Who("Anna"), "gallery")
        relabel_all(Selection(ids=tuple(ids)), "haas", [make_card()], stamp)
    batch = re.search(r"/admin/log\?batch=([\w-]+)", admin.get("/admin/log").text)
    assert batch is not None
    page = admin.get(f"/admin/log?batch={batch[1]}").text
    assert len(lines(page)) == 3
    events = re.findall(r'name="event" value="(\d+)"', page)
    admin.post("/labels/undo", data={"event": events[0]})
    assert sorted(str(truth(app, public_id)) for public_id in ids) == ["None", "haas", "haas"]


@pytest.mark.parametrize("event", ["0", "999", "x"])
def test_an_event_that_is_not_there_is_said_so(admin: FlaskClient, event: str) -> None:
    answer = admin.post(
        "/labels/undo", data={"event": event, "next": "/gallery"}, follow_redirects=True
    )
    assert "There is nothing to undo" in answer.text


def test_everything_by_a_person_is_counted_and_then_taken_back(
    app: Flask, admin: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    ids = [send(mark=number) for number in range(4)]
    label(admin, ids[0], "bwt")
    for public_id in ids:
        label(reviewer, public_id, "haas")
    label(reviewer, ids[1], "mclaren")  # a second thought goes with the first
    label(admin, ids[3], "renault")  # what others said since stays
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    page = admin.get(f"/admin/log/undo?who=Ben&since={since}").text
    assert "4 labels</b> by Ben" in page and "1 label stays" in page
    assert [truth(app, public_id) for public_id in ids] == ["haas", "mclaren", "haas", "renault"]
    page = admin.post(
        "/admin/log/undo", data={"who": "Ben", "since": since}, follow_redirects=True
    ).text
    assert "Undone: 4" in page
    assert [truth(app, public_id) for public_id in ids] == ["bwt", None, None, "renault"]
    assert "Nothing by Ben since then" in admin.get(f"/admin/log/undo?who=Ben&since={since}").text


def test_what_was_said_before_stays(
    app: Flask, admin: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    public_id = send()
    label(reviewer, public_id, "haas")
    later = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    page = admin.post(
        "/admin/log/undo", data={"who": "Ben", "since": later}, follow_redirects=True
    ).text
    assert "There is nothing to undo" in page and truth(app, public_id) == "haas"


def test_what_a_person_took_back_of_others_returns_and_what_was_put_back_goes(
    app: Flask, admin: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    def last_event(public_id: str) -> str:
        with app.app_context():
            return str(history.get_details(public_id).events[0].id)

    destroyed, restored, both = (send(mark=number) for number in range(3))
    label(admin, destroyed, "bwt")
    reviewer.post("/labels/undo", data={"event": last_event(destroyed)})
    label(reviewer, restored, "haas")
    for _time in range(2):
        reviewer.post("/labels/undo", data={"event": last_event(restored)})
    label(reviewer, both, "haas")
    reviewer.post("/labels/undo", data={"event": last_event(both)})
    assert [truth(app, public_id) for public_id in (destroyed, restored, both)] == [
        None,
        "haas",
        None,
    ]
    page = admin.post(
        "/admin/log/undo", data={"who": "Ben", "since": "2026-01-01T00:00"}, follow_redirects=True
    ).text
    assert "Undone: 2" in page
    assert [truth(app, public_id) for public_id in (destroyed, restored, both)] == [
        "bwt",
        None,
        None,
    ]


def test_only_an_admin_takes_back_what_a_person_said(reviewer: FlaskClient) -> None:
    assert reviewer.get("/admin/log/undo").status_code == 403
    assert (
        reviewer.post(
            "/admin/log/undo", data={"who": "Anna", "since": "2026-01-01T00:00"}
        ).status_code
        == 403
    )


def test_people_who_disagree_are_named_on_the_photo(
    admin: FlaskClient, reviewer: FlaskClient, client: FlaskClient, send: Send
) -> None:
    public_id = send()
    label(reviewer, public_id, "haas")
    label(admin, public_id, "bwt")
    page = client.get(f"/photos/{public_id}").text
    assert "People disagree: Anna says <b>BWT</b>, Ben says <b>Haas</b>." in page
    assert "reviewers disagree" in admin.get("/admin/log").text
