"""Networks that come in through the browser: the form, what is refused at once, and how an import stands."""

from __future__ import annotations

import fcntl
import io
import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from webapp.config import Config
from webapp.errors import BadRequestError
from webapp.views import imports

PICKLE = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00"


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `requirements.txt` is: the tests that need TensorFlow itself are in tests/cli/test_importing.py."""
    monkeypatch.setattr(imports, "find_spec", lambda _name: True)


def form(content: bytes = PICKLE, name: str = "cars.h5", **fields: str) -> dict[str, object]:
    return {"file": (io.BytesIO(content), name), "labels": "a\nb", **fields}


def lay(config: Config, number: int, ended: str = "0", output: str = "", errors: str = "", locked: bool = False) -> str:
    """An import's folder as the child leaves it."""
    place = config.data / "errands" / f"{number:016x}"
    place.mkdir(parents=True)
    facts = {"kind": "import", "about": {"file": "cars.h5"}, "who": "Anna", "started_at": "2026-11-20T10:00:00+00:00"}
    for file, text in {"about.json": json.dumps(facts), "ended.txt": ended, "output.txt": output, "errors.txt": errors}.items():
        (place / file).write_text(text)
    if locked:
        (place / "lock").touch()
    return place.name


def test_only_admins_import(client: FlaskClient, reviewer: FlaskClient) -> None:
    assert client.get("/imports").status_code == 303
    assert client.post("/imports", data=form()).status_code == 401
    assert reviewer.get("/imports").status_code == 403
    assert reviewer.post("/imports", data=form()).status_code == 403


def test_the_form_says_what_it_takes(admin: FlaskClient) -> None:
    page = admin.get("/imports").text
    assert ".keras, .h5, .hdf5, .zip" in page and "1\u202fGB at most" in page and "The last imports" not in page
    assert 'href="/imports"' in admin.get("/models").text


def test_a_server_without_tensorflow_says_where_to_go(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "find_spec", lambda _name: None)
    page = admin.get("/imports").text
    assert "installed to serve only" in page and "flask model import FILE" in page and "<textarea" not in page
    assert admin.post("/imports", data=form()).status_code == 422


def test_a_pickle_is_refused_by_the_gate(admin: FlaskClient, config: Config) -> None:
    answer = admin.post("/imports", data=form(name="../My cars.h5", threshold="60", preprocess="unit"))
    assert answer.status_code == 303
    errand = config.data / "errands" / answer.location.rsplit("/", 1)[-1]
    with (errand / "lock").open() as lock:  # until the child has let go of it
        fcntl.flock(lock, fcntl.LOCK_EX)
    page = admin.get(answer.location).text
    assert "Refused." in page and "My-cars.h5 is a Python pickle" in page and "sent by Anna" in page
    assert not (errand / "sent").exists()
    assert "My-cars.h5" in admin.get("/imports").text
    assert [one.name for one in config.models.iterdir()] == ["f1-teams"]


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
def test_nonsense_is_said_above_the_form(admin: FlaskClient, fields: dict[str, str], words: str) -> None:
    answer = admin.post("/imports", data={"labels": "a,b", "title": "My cars", **fields})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text and words in answer.text and 'value="My cars"' in answer.text


def test_a_file_must_come_and_be_a_network(admin: FlaskClient) -> None:
    assert "Choose a file" in admin.post("/imports", data={"labels": "a,b"}).text
    answer = admin.post("/imports", data=form(name="cars.exe"))
    assert answer.status_code == 400
    assert "&#39;cars.exe&#39; is neither" in answer.text


@pytest.mark.parametrize(
    ("given", "name"), [("a b.H5", "a-b.h5"), ("..\\..\\x.zip", "x.zip"), ("-rf.keras", "rf.keras"), ("我.keras", "model.keras")]
)
def test_the_stored_name_is_ours(given: str, name: str) -> None:
    assert imports.file_name(given) == name
    with pytest.raises(BadRequestError):
        imports.file_name(given + ".sh")


def test_while_one_is_looked_at_the_page_looks_again_and_another_waits(admin: FlaskClient, config: Config) -> None:
    name = lay(config, 1, ended="", locked=True)
    with (config.data / "errands" / name / "lock").open() as lock, (config.data / "errands" / "import.lock").open("w") as turn:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(turn, fcntl.LOCK_EX)
        answer = admin.get(f"/imports/{name}")
        assert answer.headers["Refresh"] == "3"
        assert "Being looked at." in answer.text
        assert admin.post("/imports", data=form()).status_code == 503


def test_a_finished_one_leads_to_its_version(admin: FlaskClient, config: Config) -> None:
    made = {"name": "f1-teams", "version": 1, "notes": ["Nobody said how photos were scaled."]}
    answer = admin.get(f"/imports/{lay(config, 1, output=json.dumps(made))}")
    assert "f1-teams 1 <span>is there." in answer.text and "Nobody said how photos were scaled." in answer.text
    assert "Refresh" not in answer.headers


def test_one_that_was_killed_says_so(admin: FlaskClient, config: Config) -> None:
    assert "Stopped." in admin.get(f"/imports/{lay(config, 1, ended='')}").text


def test_an_unknown_import_is_not_there(admin: FlaskClient) -> None:
    assert admin.get("/imports/nothing").status_code == 404


def test_only_an_admins_import_may_be_larger_than_photos(app: Flask, admin: FlaskClient, client: FlaskClient, config: Config) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    large = form(PICKLE + b"x" * 5000)
    assert client.post("/imports", data=large).status_code in (401, 413)
    answer = admin.post("/imports", data=form(PICKLE + b"x" * 5000, threshold="half"))
    assert answer.status_code == 400
    assert admin.post("/models/f1-teams/promote", data=form(PICKLE + b"x" * 5000)).status_code == 413


def test_labels_come_as_a_file_too(admin: FlaskClient, config: Config, tmp_path: Path) -> None:
    fields = form(labels="", labels_file="")
    fields["labels_file"] = (io.BytesIO(b'["a", "a"]'), "names.json")
    answer = admin.post("/imports", data=fields)
    errand = config.data / "errands" / answer.location.rsplit("/", 1)[-1]
    with (errand / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert "The label &#39;a&#39; is there twice." in admin.get(answer.location).text
