"""Networks that come in through the browser: the form, what is refused at once, and what comes of
the job."""

from __future__ import annotations

import errno
import fcntl
import io
import json
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from webapp.config import Config
from webapp.domain import LONG
from webapp.errors import BadRequestError, JobStoppedError
from webapp.extensions import get_tools
from webapp.services.jobs import lock
from webapp.services.jobs.job_type import RunningJob
from webapp.services.jobs.types import model_import as model_import_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.views.models import model_import as imports

PICKLE = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00"


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `requirements.txt` is: the tests that need TensorFlow itself are in
    tests/cli/models/test_model_import.py."""
    monkeypatch.setattr(imports, "find_spec", lambda _name: True)


def form(content: bytes = PICKLE, name: str = "cars.h5", **fields: str) -> dict[str, object]:
    return {"file": (io.BytesIO(content), name), "labels": "a\nb", **fields}


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], None]:
    return lambda: Worker(JOB_TYPES, get_tools, app.app_context).run_queue(LONG)


def spool(config: Config, address: str):
    return config.data / "spool" / address.rsplit("/", 1)[-1]


def test_only_admins_import(client: FlaskClient, reviewer: FlaskClient) -> None:
    assert client.get("/imports").status_code == 303
    assert client.post("/imports", data=form()).status_code == 401
    assert reviewer.get("/imports").status_code == 403
    assert reviewer.post("/imports", data=form()).status_code == 403


def test_the_form_says_what_it_takes(admin: FlaskClient) -> None:
    page = admin.get("/imports").text
    assert (
        ".keras, .h5, .hdf5, .zip" in page
        and "1\u202fGB at most" in page
        and "The last imports" not in page
    )
    assert 'href="/imports"' in admin.get("/models").text


def test_a_server_without_tensorflow_says_where_to_go(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "find_spec", lambda _name: None)
    page = admin.get("/imports").text
    assert (
        "installed to serve only" in page
        and "flask model import FILE" in page
        and "<textarea" not in page
    )
    assert admin.post("/imports", data=form()).status_code == 422


def test_a_pickle_is_refused_by_the_gate(
    admin: FlaskClient, config: Config, run_jobs: Callable[[], None]
) -> None:
    answer = admin.post(
        "/imports", data=form(name="../My cars.h5", threshold="60", preprocess="unit")
    )
    assert (answer.status_code, answer.location[:6]) == (303, "/jobs/")
    assert "Waiting." in admin.get(answer.location).text
    run_jobs()
    page = admin.get(answer.location).text
    assert (
        "It failed." in page
        and "My-cars.h5 is a Python pickle" in page
        and "Added by Anna" in page
        and "Try again" in page
    )
    assert "refused" in admin.get("/imports").text
    assert [folder.name for folder in config.models.iterdir()] == ["f1-teams"]


def test_a_network_becomes_a_version(
    admin: FlaskClient, config: Config, run_jobs: Callable[[], None]
) -> None:
    answer = admin.post("/imports", data=form())
    made = json.dumps(
        {"name": "f1-teams", "version": 1, "notes": ["Nobody said how photos were scaled."]}
    )
    (spool(config, answer.location) / "output.txt").write_text(
        made
    )  # as an import leaves it, whose worker was killed just then
    run_jobs()
    page = admin.get(answer.location).text
    assert (
        "f1-teams 1 is there." in page
        and 'href="/models/f1-teams/1"' in page
        and "refresh" not in page
    )
    assert "a version now" in admin.get("/imports").text


def test_two_never_look_at_the_same_model(
    app: Flask, admin: FlaskClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOOK", 0.05)
    address = admin.post("/imports", data=form()).location
    worker, looks = Worker(JOB_TYPES, get_tools, app.app_context), []

    def look(_self: object, _done: int) -> None:
        looks.append(1)
        if len(looks) > 3:
            worker.stopping.set()
            raise JobStoppedError("The worker ends.")

    monkeypatch.setattr(RunningJob, "progress", look)
    with (spool(config, address) / lock.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        worker.run_queue(LONG)
    assert len(looks) == 4
    assert not (spool(config, address) / "output.txt").exists()


def test_a_full_disk_is_said(
    admin: FlaskClient, run_jobs: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model_import_job, "import_model", fill)
    address = admin.post("/imports", data=form()).location
    run_jobs()
    assert "disk is full or cannot be written" in admin.get(address).text


def test_what_was_sent_goes_with_a_cancelled_import(
    app: Flask, admin: FlaskClient, config: Config
) -> None:
    address = admin.post("/imports", data=form()).location
    assert (spool(config, address) / "cars.h5").read_bytes() == PICKLE
    admin.post(f"{address}/cancel")
    with app.app_context():
        Worker(JOB_TYPES, get_tools, app.app_context).poll()
    assert not spool(config, address).exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"threshold": "half"}, "whole percentage"),
        ({"threshold": "101"}, "whole percentage"),
        ({"size": "large"}, "height x width"),
        ({"preprocess": "magic"}, "There is no preprocess called"),
        ({"resize": "magic"}, "There is no resize called"),
    ],
)
def test_nonsense_is_said_above_the_form(
    admin: FlaskClient, fields: dict[str, str], words: str
) -> None:
    answer = admin.post("/imports", data={"labels": "a,b", "title": "My cars", **fields})
    assert answer.status_code == 400
    assert (
        'role="alert"' in answer.text and words in answer.text and 'value="My cars"' in answer.text
    )


def test_a_file_must_come_and_be_a_network(admin: FlaskClient) -> None:
    assert "Choose a file" in admin.post("/imports", data={"labels": "a,b"}).text
    answer = admin.post("/imports", data=form(name="cars.exe"))
    assert answer.status_code == 400
    assert "&#39;cars.exe&#39; is neither" in answer.text


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a b.H5", "a-b.h5"),
        ("..\\..\\x.zip", "x.zip"),
        ("-rf.keras", "rf.keras"),
        ("我.keras", "model.keras"),
    ],
)
def test_the_stored_name_is_ours(given: str, name: str) -> None:
    assert model_import_job.file_name(given) == name
    with pytest.raises(BadRequestError):
        model_import_job.file_name(given + ".sh")


def test_only_an_admins_import_may_be_larger_than_photos(
    app: Flask, admin: FlaskClient, client: FlaskClient, config: Config
) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    large = form(PICKLE + b"x" * 5000)
    assert client.post("/imports", data=large).status_code in (401, 413)
    answer = admin.post("/imports", data=form(PICKLE + b"x" * 5000, threshold="half"))
    assert answer.status_code == 400
    assert (
        admin.post("/models/f1-teams/promote", data=form(PICKLE + b"x" * 5000)).status_code == 413
    )


def test_labels_come_as_a_file_too(admin: FlaskClient, run_jobs: Callable[[], None]) -> None:
    fields = form(labels="", labels_file="")
    fields["labels_file"] = (io.BytesIO(b'["a", "a"]'), "names.json")
    address = admin.post("/imports", data=fields).location
    run_jobs()
    assert "The label &#39;a&#39; is there twice." in admin.get(address).text


def test_a_label_never_names_a_file_of_the_server(
    admin: FlaskClient, config: Config, run_jobs: Callable[[], None]
) -> None:
    secret = config.data / "secret.txt"
    secret.write_text("one\none\n")
    address = admin.post("/imports", data=form(labels=str(secret))).location
    run_jobs()
    page = admin.get(address).text
    assert "there twice" not in page and "at least two labels" in page


def test_a_file_that_went_missing_is_said(
    admin: FlaskClient, config: Config, run_jobs: Callable[[], None]
) -> None:
    address = admin.post("/imports", data=form()).location
    (spool(config, address) / "cars.h5").unlink()
    run_jobs()
    assert "Send it again." in admin.get(address).text
