"""Labels from a file: a look, a press, an undo."""

import hashlib
import io
import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import draw
from tests.views.conftest import Send
from webapp.domain import SHORT
from webapp.extensions import get_tools
from webapp.services.jobs import parts, worker
from webapp.services.jobs.types import label_import as label_import_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.labels import label_files
from webapp.services.photos import gallery as history
from webapp.storage.database import db, writing
from webapp.storage.tables import LabelFile


def sent(browser: FlaskClient, content: str, name: str = "labels.csv") -> str:
    """Send a file of labels; the page it leads to."""
    answer = browser.post("/import", data={"file": (io.BytesIO(content.encode()), name)})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def truth(app: Flask, public_id: str) -> str | None:
    with app.app_context():
        return history.get_photo(public_id).ground_truth


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_look_a_press_and_an_undo(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send(name="monza.jpg")
    path = sent(reviewer, "filename,label\nmonza.jpg,haas\n")
    assert "1 car would get a label" in reviewer.get(path).text and truth(app, public_id) is None
    page = reviewer.post(path, follow_redirects=True).text
    assert truth(app, public_id) == "haas" and "from a file" in page and "“labels.csv”" in page
    reviewer.post(
        "/labels/undo", data={"batch": re.findall(r'name="batch" value="([\w-]+)"', page)[0]}
    )
    assert truth(app, public_id) is None


def test_the_look_tells_everything_that_cannot_be_taken(reviewer: FlaskClient, send: Send) -> None:
    send(name="a.jpg"), send(name="a.jpg", mark=1), send(name="b.jpg", mark=2, ground_truth="bwt")
    page = words(
        reviewer.get(
            sent(reviewer, "filename,label\na.jpg,haas\nb.jpg,haas\nc.jpg,haas\nb.jpg,trabant\n")
        ).text
    )
    for text in (
        "1 several photos of this name",
        "1 unknown photo",
        "1 unknown label",
        "line 5: trabant",
        "1 with another label",
    ):
        assert text in page


def test_the_log_shows_an_import_of_several_labels_as_one(
    reviewer: FlaskClient, send: Send
) -> None:
    send(name="a.jpg"), send(name="b.jpg", mark=1)
    page = words(
        reviewer.post(
            sent(reviewer, "filename,label\na.jpg,haas\nb.jpg,bwt\n"), follow_redirects=True
        ).text
    )
    assert "Ben labelled 2 photos" in page


@pytest.mark.parametrize(("replace", "label"), [({}, "bwt"), ({"replace": "yes"}, "haas")])
def test_a_label_that_a_person_gave_stays_unless_it_is_replaced(
    app, reviewer: FlaskClient, send: Send, replace, label: str
) -> None:
    public_id = send(name="a.jpg", ground_truth="bwt")
    reviewer.post(sent(reviewer, "filename,label\na.jpg,haas\n"), data=replace)
    assert truth(app, public_id) == label


def test_another_file_of_the_same_name_needs_a_word(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    public_id = send(name="a.jpg")
    path = sent(reviewer, f"filename,sha256,label\na.jpg,{'0' * 64},haas\n")
    assert f'href="{path}?by_name=yes"' in reviewer.get(path).text
    assert "1 car would get a label" in reviewer.get(f"{path}?by_name=yes").text
    reviewer.post(path, data={"by_name": "yes"})
    assert truth(app, public_id) == "haas"


def test_a_file_that_makes_no_sense_is_refused_above_the_form(reviewer: FlaskClient) -> None:
    answer = reviewer.post("/import", data={"file": (io.BytesIO(b"dear reader"), "letter.csv")})
    assert (
        answer.status_code == 422
        and "no column for the label" in answer.text
        and 'aria-invalid="true"' in answer.text
    )


def test_no_file_is_said(reviewer: FlaskClient) -> None:
    assert "No file came" in reviewer.post("/import", data={}).text


def test_a_file_is_for_the_one_who_sent_it(
    admin: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    send()
    path = sent(reviewer, "filename,label\ncar.jpg,haas\n")
    assert admin.get(path).status_code == 404 and admin.post(path).status_code == 404


def test_a_file_is_imported_once(reviewer: FlaskClient, send: Send) -> None:
    send()
    path = sent(reviewer, "filename,label\ncar.jpg,haas\n")
    reviewer.post(path)
    assert "was imported" in reviewer.post(path).text


class TestALargeFile:
    """A file with more lines than one waits for is imported by a job."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(label_files, "LARGE", 2)
        monkeypatch.setattr(label_import_job, "BATCH", 1)

    @pytest.fixture
    def photos(self, send: Send) -> list[str]:
        return [
            send(name=f"{name}.jpg", mark=mark, **more)
            for mark, (name, more) in enumerate([("a", {}), ("b", {"ground_truth": "bwt"})])
        ]

    def path(self, browser: FlaskClient) -> str:
        return sent(browser, "filename,label\na.jpg,haas\nb.jpg,haas\nc.jpg,haas\na.jpg,haas\n")

    def run_jobs(self, app: Flask) -> None:
        worker.Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)

    def test_a_look_a_job_and_an_undo(
        self, app: Flask, reviewer: FlaskClient, photos: list[str]
    ) -> None:
        path = self.path(reviewer)
        assert "A job gives this many their labels" in reviewer.get(path).text
        address = reviewer.post(path).location
        assert "Waiting." in reviewer.get(address).text and reviewer.post(path).location == address
        self.run_jobs(app)
        page = words(reviewer.get(address).text)
        assert (
            "1 car labelled." in page
            and "1 car, which kept its label" in page
            and "line 4: c.jpg" in page
        )
        assert [truth(app, public_id) for public_id in photos] == ["haas", "bwt"]
        reviewer.post("/labels/undo", data={"batch": address.rpartition("/")[2]})
        assert truth(app, photos[0]) is None

    def test_labels_that_people_gave_are_replaced_when_asked(
        self, app: Flask, reviewer: FlaskClient, photos: list[str]
    ) -> None:
        address = reviewer.post(self.path(reviewer), data={"replace": "yes"}).location
        self.run_jobs(app)
        assert "2 cars labelled." in reviewer.get(address).text and truth(app, photos[1]) == "haas"

    def test_a_part_that_runs_twice_changes_nothing_more(
        self, app: Flask, reviewer: FlaskClient, photos: list[str]
    ) -> None:
        reviewer.post(self.path(reviewer))
        with app.app_context():
            claims = [parts.claim_part(JOB_TYPES, "w1")]
            parts.do_part(claims[0], JOB_TYPES["labels"], get_tools())
            claims += [parts.claim_part(JOB_TYPES, "w1") for _ in range(2)]
            job = parts.running_job(claims[-1], get_tools(), lambda: False)
            label_import_job.JOB_TYPE.do(job)
            reviewer.post("/labels/undo", data={"batch": job.id})
            label_import_job.JOB_TYPE.do(job)
        assert truth(app, photos[0]) is None

    def test_its_file_waits_as_long_as_the_job(
        self, app: Flask, reviewer: FlaskClient, photos: list[str]
    ) -> None:
        address = reviewer.post(self.path(reviewer)).location
        with app.app_context(), writing():
            db.session.query(LabelFile).update({"created_at": datetime(2020, 1, 1, tzinfo=UTC)})
        sent(reviewer, "filename,label\nz.jpg,haas\n")
        self.run_jobs(app)
        assert "1 car labelled." in reviewer.get(address).text
        with app.app_context():
            worker.clear_ended(JOB_TYPES, get_tools)
            assert db.session.query(LabelFile).count() == 1

    def test_a_file_that_is_gone_fails_the_job_with_a_sentence(
        self, app: Flask, reviewer: FlaskClient, photos: list[str]
    ) -> None:
        address = reviewer.post(self.path(reviewer)).location
        with app.app_context(), writing():
            db.session.query(LabelFile).delete()
        self.run_jobs(app)
        assert "Nothing was changed: send it again." in reviewer.get(address).text


# ---- a folder ----


def folder(browser: FlaskClient, **files: bytes) -> TestResponse:
    """Send a folder as a browser does: every file with its path, which begins with the folder."""
    data = {
        "folder": [
            (io.BytesIO(content), path.replace("__", "/")) for path, content in files.items()
        ]
    }
    return browser.post("/import/folder", data=data)


def test_a_folder_labels_the_photos_that_are_here(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    public_id = send(name="monza.jpg")
    answer = folder(
        reviewer,
        cars__haas__other_name=draw(),
        cars__bwt__unknown=b"x",
        cars__notes=b"x",
        **{"cars__bwt__.DS_Store": b"x"},
    )
    page = words(reviewer.get(answer.location).text)
    assert "1 car would get a label" in page and "1 unknown photo" in page
    assert (
        "cars.csv" in reviewer.post(answer.location, follow_redirects=True).text
        and truth(app, public_id) == "haas"
    )


def test_checksums_do_instead_of_the_photos(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    sums = f"{hashlib.sha256(draw()).hexdigest()}  cars/haas/a b.jpg\n"
    answer = reviewer.post("/import/folder", data={"sums": (io.BytesIO(sums.encode()), "sums.txt")})
    reviewer.post(answer.location)
    assert truth(app, public_id) == "haas"


def test_a_folder_without_folders_is_refused(reviewer: FlaskClient) -> None:
    answer = folder(reviewer, cars__a=b"x")
    assert (
        answer.status_code == 422
        and "Choose the one that has a folder for each class" in answer.text
    )
    assert (
        reviewer.post(
            "/import/folder", data={"sums": (io.BytesIO(b"plain words"), "sums.txt")}
        ).status_code
        == 422
    )
    assert reviewer.post("/import/folder", data={}).status_code == 422
