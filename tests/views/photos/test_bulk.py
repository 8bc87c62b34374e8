"""One action on many photos: picked ones, or all that a filter lets through."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cars import live_detector
from tests.fakes import FakeClassifier
from tests.views.conftest import Send
from webapp.domain import SHORT
from webapp.extensions import get_files, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.photos import gallery as history
from webapp.storage.database import writing


def truths(app: Flask) -> list[str | None]:
    """The ground truths of all photos, oldest first."""
    with app.app_context():
        return [
            photo.ground_truth
            for photo in history.gallery_page(GalleryFilter(sort="oldest"), limit=200).items
        ]


def press(client: FlaskClient, page: str, **changes: str) -> str:
    """Press the button of a page that asks once more; returns the page that follows."""
    form = re.search(r'<form class="acts wider".*?</form>', page, re.DOTALL)
    assert form is not None, page
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', form[0])
    data: dict[str, list[str]] = {}
    for name, value in [*fields, *changes.items()]:
        data.setdefault(name, []).append(unescape(value))
    return client.post("/gallery/many", data=data, follow_redirects=True).text


def undo(client: FlaskClient, page: str) -> str:
    batch = re.search(r'name="batch" value="([\w-]+)"', page)
    assert batch is not None, page
    return client.post("/labels/undo", data={"batch": batch[1]}, follow_redirects=True).text


def test_the_answers_of_picked_photos_become_the_truth(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    picked = [send("#C00000"), send("#FF8700")]
    page = reviewer.post(
        "/gallery/many", data={"action": "confirm", "ids": picked}, follow_redirects=True
    ).text
    assert "the answer is the truth for 2 photos" in page and truths(app) == ["ferrari", "mclaren"]


def test_an_unsure_answer_is_not_confirmed(
    app: Flask, reviewer: FlaskClient, classifier: FakeClassifier, send: Send
) -> None:
    classifier.says(haas=0.15)
    page = reviewer.post(
        "/gallery/many", data={"action": "confirm", "ids": [send()]}, follow_redirects=True
    ).text
    assert "Nothing to confirm" in page and truths(app) == [None]


def test_all_that_match_are_shown_first_and_undone_at_once(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    for mark in range(3):
        send("#C00000", mark=mark)
    send("#FF8700")
    form = {"action": "label", "label": "haas", "scope": "all", "decision": "ferrari"}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert (
        "Mark 3 photos" in page
        and "as Haas?" in page
        and "Answer: Ferrari" in page
        and truths(app) == [None] * 4
    )
    page = press(reviewer, page)
    assert truths(app) == ["haas", "haas", "haas", None]
    undo(reviewer, page)
    assert truths(app) == [None] * 4


def test_photos_that_come_meanwhile_are_left_alone(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    send("#C00000")
    form = {"action": "confirm", "scope": "all", "decision": "ferrari"}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    send("#C00000", mark=1)
    press(reviewer, page)
    assert truths(app) == ["ferrari", None]


class TestMoreThanOneWaitsFor:
    """More photos than an action changes while one waits become a job."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("services.photos.bulk", "services.jobs.types.bulk", "views.photos.bulk"):
            monkeypatch.setattr(f"webapp.{module}.MOST", 2)
        monkeypatch.setattr("webapp.services.jobs.types.bulk.CHUNK", 1)

    @pytest.fixture(autouse=True)
    def photos(self, send: Send) -> list[str]:
        return [send(mark=mark) for mark in range(4)]

    def done(self, app: Flask, browser: FlaskClient, **form: str) -> str:
        """Do something with all photos; the page of the job when it has ended."""
        page = browser.post(
            "/gallery/many", data={"scope": "all", **form}, follow_redirects=True
        ).text
        assert "more than 2 photos" in page and "a job does it" in page
        return self.worked(app, browser, press(browser, page))

    def worked(self, app: Flask, browser: FlaskClient, page: str) -> str:
        assert "Waiting." in page
        Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
        return browser.get("/jobs/" + re.findall(r'action="/jobs/([\w-]+)/cancel"', page)[0]).text

    def test_they_are_marked_by_a_job_and_taken_back_by_another(
        self, app: Flask, reviewer: FlaskClient
    ) -> None:
        page = self.done(app, reviewer, action="label", label="haas")
        assert "4 photos marked." in page and truths(app) == ["haas"] * 4
        page = self.worked(app, reviewer, undo(reviewer, page))
        assert "Undone for 4 photos." in page and truths(app) == [None] * 4

    def test_answers_are_confirmed_where_there_are_some(
        self, app: Flask, reviewer: FlaskClient, classifier, send: Send
    ) -> None:
        classifier.says(haas=0.15)
        send("#C00000", mark=9)
        page = self.done(app, reviewer, action="confirm")
        assert "The answer is the truth for 4 photos. 1 was left as they were." in page and truths(
            app
        ) == ["mclaren"] * 4 + [None]

    def test_stars_are_given_and_taken_back(self, app: Flask, reviewer: FlaskClient) -> None:
        page = self.done(app, reviewer, action="star")
        assert (
            "4 photos starred." in page and "4 photos" in reviewer.get("/gallery?starred=yes").text
        )
        page = self.worked(app, reviewer, undo(reviewer, page))
        assert (
            "Undone for 4 photos." in page
            and "4 photos" in reviewer.get("/gallery?starred=no").text
        )

    def test_they_are_deleted_but_for_starred_ones(
        self, app: Flask, admin: FlaskClient, photos: list[str]
    ) -> None:
        admin.post("/gallery/many", data={"action": "star", "ids": photos[:1]})
        page = self.done(app, admin, action="delete")
        assert "3 photos deleted. 1 was left as they were." in page and len(truths(app)) == 1
        page = self.worked(app, admin, undo(admin, page))
        assert "Undone for 3 photos." in page and len(truths(app)) == 4

    def test_what_is_undone_twice_is_said(self, app: Flask, reviewer: FlaskClient) -> None:
        page = self.done(app, reviewer, action="label", label="haas")
        self.worked(app, reviewer, undo(reviewer, page))
        assert "There is nothing to undo" in undo(reviewer, page)


def test_a_star_is_given_and_taken_back(reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    page = reviewer.post(
        "/gallery/many", data={"action": "star", "ids": [public_id]}, follow_redirects=True
    ).text
    assert "Starred: 1 photo" in page and 'aria-label="starred"' in page
    assert 'aria-label="starred"' not in undo(reviewer, page)


def test_a_deleted_photo_is_gone_and_comes_back(
    app: Flask, admin: FlaskClient, client: FlaskClient, send: Send
) -> None:
    public_id = send()
    page = admin.post(
        "/gallery/many", data={"action": "delete", "ids": [public_id]}, follow_redirects=True
    ).text
    assert (
        "Delete" in page
        and "brought back for 7 days" in page
        and client.get(f"/photos/{public_id}").status_code == 200
    )
    page = press(admin, page)
    assert "Deleted: 1 photo" in page and "No photos yet" in page
    for kind in ("", "/view", "/thumbnail", "/file"):
        assert client.get(f"/photos/{public_id}{kind}").status_code == 410
    assert "Bring back" in admin.get("/gallery/deleted").text
    undo(admin, page)
    assert client.get(f"/photos/{public_id}").status_code == 200


def test_a_star_protects(app: Flask, admin: FlaskClient, send: Send) -> None:
    starred, other = send(mark=1), send(mark=2)
    admin.post("/gallery/many", data={"action": "star", "ids": [starred]})
    page = admin.post(
        "/gallery/many",
        data={"action": "delete", "ids": [starred, other], "sure": "1"},
        follow_redirects=True,
    ).text
    assert "1 photo with a star stayed" in page and truths(app) == [None]
    assert admin.post(f"/photos/{starred}/delete").status_code == 403


def test_a_deleted_photo_that_is_sent_again_is_back(
    client: FlaskClient, admin: FlaskClient, send: Send
) -> None:
    public_id = send()
    admin.post("/gallery/many", data={"action": "delete", "ids": [public_id], "sure": "1"})
    assert send() == public_id and client.get(f"/photos/{public_id}").status_code == 200


def test_only_an_admin_deletes(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    form = {"action": "delete", "ids": [send()], "sure": "1"}
    assert reviewer.post("/gallery/many", data=form).status_code == 403 and truths(app) == [None]
    assert reviewer.get("/gallery/deleted").status_code == 403


def test_a_version_looks_again(
    reviewer: FlaskClient, classifier: FakeClassifier, send: Send
) -> None:
    classifier.says(haas=0.9)
    public_id = send()
    form = {"action": "ask", "asked": "f1-teams@1", "ids": [public_id]}
    assert (
        "1 photo it had seen before"
        in reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    )


def test_more_photos_than_one_waits_for_become_a_job(
    app: Flask, reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("webapp.services.photos.bulk", "webapp.views.photos.bulk"):
        monkeypatch.setattr(f"{module}.MOST_RANKED", 1)
    for mark in range(3):
        send("#C00000", mark=mark)
    send("#FF8700")
    form = {"action": "ask", "asked": "f1-teams@1", "scope": "all", "decision": "ferrari"}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert "look at 3 photos?" in page and "a job does it" in page
    assert (
        "f1-teams 1 looks at photos with decision ferrari begins as soon as a worker is free"
        in press(reviewer, page)
    )
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    address = re.search(r'href="(/jobs/[\w-]+)"', reviewer.get("/jobs").text)
    assert address and "3 it had seen before" in reviewer.get(address[1]).text


def test_the_detector_looks_at_picked_photos(
    reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = send()
    assert "Look again for cars" not in reviewer.get("/gallery").text
    live_detector(monkeypatch)
    assert "Look again for cars" in reviewer.get("/gallery").text
    assert "Look for cars</button>" in reviewer.get(f"/photos/{photo}").text
    form = {"action": "detect", "ids": [photo], "next": f"/photos/{photo}"}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert "The detector looked at 1 photo." in page and "Cars in this photo" in page
    assert "for cars</button>" not in page  # this version has nothing more to say
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert "looked at 0 photos. 1 photo it had seen before." in page


def test_a_photo_whose_file_is_missing_does_not_keep_the_others_from_being_looked_at(
    app: Flask, reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    picked = [send(mark=mark) for mark in range(3)]
    live_detector(monkeypatch)
    with app.app_context(), writing():
        get_files().delete(history.get_photo(picked[0]).sha256)
    form = {"action": "detect", "ids": picked}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert "The detector looked at 2 photos. 1 photo could not be looked at" in page


def test_the_detector_looks_at_what_a_filter_lets_through_in_a_job(
    app: Flask, reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("webapp.services.photos.bulk", "webapp.views.photos.bulk"):
        monkeypatch.setattr(f"{module}.MOST_RANKED", 1)
    for mark in range(3):
        send("#C00000", mark=mark)
    send("#FF8700")
    live_detector(monkeypatch)
    form = {"action": "detect", "scope": "all", "decision": "ferrari"}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert "in 3 photos?" in page and "a job does it" in page
    page = press(reviewer, page)
    assert "car-detector 1 looks at photos with decision ferrari" in page
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    address = re.search(r'href="(/jobs/[\w-]+)"', reviewer.get("/jobs").text)
    assert address and "looked at 3 photos" in reviewer.get(address[1]).text


def test_without_a_detector_nothing_looks_for_cars(reviewer: FlaskClient, send: Send) -> None:
    form = {"action": "detect", "ids": [send()]}
    page = reviewer.post("/gallery/many", data=form, follow_redirects=True).text
    assert "No detector is live, so nothing can look for cars." in page


def test_a_version_s_page_leads_to_the_whole_history(
    reviewer: FlaskClient, client: FlaskClient, send: Send
) -> None:
    send()
    link = re.search(
        r'href="(/gallery/many[^"]+)">let it classify the whole\s+history',
        reviewer.get("/models/f1-teams/1").text,
    )
    assert link and "look at 1 photo?" in reviewer.get(unescape(link[1])).text
    assert "/gallery/many" not in client.get("/models/f1-teams/1").text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"action": "confirm"}, "No photo was selected"),
        ({"action": "paint", "ids": "x"}, "That is nothing that can be done"),
        ({"action": "", "ids": "x", "label": "haas"}, "That is nothing that can be done"),
        ({"action": "ask", "ids": "x"}, "Choose the version"),
        ({"action": "star", "scope": "all", "from": "x"}, "Confidence must be a number"),
    ],
)
def test_what_cannot_be_done_is_said(
    reviewer: FlaskClient, form: dict[str, str], words: str
) -> None:
    assert words in reviewer.post("/gallery/many", data=form, follow_redirects=True).text


def test_a_visitor_changes_nothing(client: FlaskClient) -> None:
    assert client.post("/gallery/many", data={"action": "star"}).status_code == 401
    assert client.get("/gallery/many").status_code == 303


def test_picked_photos_are_exported_whatever_becomes_of_them_meanwhile(
    reviewer: FlaskClient, send: Send
) -> None:
    first, second, _third = send("#C00000"), send("#FF8700"), send("#C00000", mark=1)
    page = reviewer.post(
        "/gallery/many",
        data={"action": "export", "ids": [first, second], "outcome": "unlabelled"},
        follow_redirects=True,
    )
    assert "Export 2 photos" in page.text and "2 photos picked by hand" in page.text
    reviewer.post("/gallery/many", data={"action": "confirm", "ids": [first]})
    table = reviewer.post("/export", data={"format": "csv", "picked": f"{first},{second}"}).text
    assert first in table and second in table and table.count("\n") == 3


def test_all_that_match_are_exported_by_their_filter(reviewer: FlaskClient, send: Send) -> None:
    send("#C00000"), send("#FF8700")
    answer = reviewer.post(
        "/gallery/many", data={"action": "export", "scope": "all", "decision": "ferrari"}
    )
    assert answer.status_code == 303 and answer.location == "/export?decision=ferrari"


def test_the_gallery_shows_what_was_picked(reviewer: FlaskClient, send: Send) -> None:
    first, second = send("#C00000"), send("#FF8700")
    page = reviewer.get(f"/gallery?picked={first}").text
    assert (
        "1 photo picked by hand" in page
        and f"/photos/{first}" in page
        and f"/photos/{second}" not in page
    )
