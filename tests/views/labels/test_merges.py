"""Merging and splitting labels in the browser, and the pages that read them."""

import io
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner

from tests.fakes import FakeClassifier
from tests.views.conftest import Send
from webapp.domain import LONG
from webapp.extensions import get_tools
from webapp.services.jobs.types import remap as remap_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.labels import remap

PAGE = "/models/f1-teams/labels"
MERGE = {"label": "haas", "into": "bwt", "why": "one team"}
SPLIT = {"label": "haas", "names": "Хаас 2019\r\nХаас 2020\n"}


@pytest.mark.parametrize("page", ["merge", "split", "reread"])
def test_only_admins_merge_and_split(page: str, client: FlaskClient, reviewer: FlaskClient) -> None:
    assert (
        client.post(f"{PAGE}/{page}").status_code == 401
        and reviewer.post(f"{PAGE}/{page}").status_code == 403
    )


def test_a_merge_is_looked_at_before_it_is_done(admin: FlaskClient, send: Send) -> None:
    send("#787878", ground_truth="haas")
    assert "See what it touches" in admin.get(f"{PAGE}/merge?label=haas").text
    page = admin.get(f"{PAGE}/merge?label=haas&into=bwt").text
    assert (
        "<b>1 photo</b> checked as Haas will read as BWT" in page and "Merge Haas into BWT?" in page
    )


def test_a_merged_label_is_gone_from_where_people_choose_and_counts_as_the_other(
    admin: FlaskClient, send: Send
) -> None:
    photo = send("#787878", ground_truth="haas")
    assert (
        "Haas reads as BWT now"
        in admin.post(f"{PAGE}/merge", data=MERGE, follow_redirects=True).text
    )
    assert (
        'value="haas"' not in admin.get("/review/labels").text
        and 'value="bwt"' in admin.get("/review/labels?q=haas").text
    )
    assert (
        photo in admin.get("/gallery?ground_truth=bwt&outcome=correct").text
        and 'value="haas"' not in admin.get("/gallery").text
    )
    assert "Haas (now BWT)" in admin.get(f"/photos/{photo}").text
    assert (
        "reads as</span> BWT" in admin.get(PAGE).text
        and ">Haas</a> into <a" in admin.get(PAGE).text
    )
    assert (
        "Undone: 1 change"
        in admin.post(f"{PAGE}/undo", data={"label": "haas"}, follow_redirects=True).text
    )
    assert photo in admin.get("/gallery?ground_truth=haas&outcome=correct").text


def test_a_photo_that_comes_after_a_merge_is_read_like_the_others(
    admin: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    admin.post(f"{PAGE}/merge", data=MERGE)
    classifier.says(haas=0.4, bwt=0.3)
    photo = send()
    assert (
        "BWT" in admin.get(f"/photos/{photo}").text
        and photo in admin.get("/gallery?decision=bwt").text
    )
    admin.post(f"{PAGE}/undo", data={"label": "haas"})
    assert photo in admin.get("/gallery?predicted=haas&decision=unclassified").text


def test_the_parts_of_a_split_label_are_offered_and_its_photos_wait_to_be_sorted(
    admin: FlaskClient, send: Send
) -> None:
    photo = send("#787878", ground_truth="haas")
    page = admin.get(f"{PAGE}/split", query_string=SPLIT).text
    assert "Split Haas into two?" in page and "will wait to be sorted" in page
    page = admin.post(f"{PAGE}/split", data=SPLIT, follow_redirects=True).text
    assert "1 photo waits to be sorted" in page and "/review?ground_truth=haas" in page
    assert 'value="Хаас 2020"' in admin.get("/review?ground_truth=haas").text
    admin.post(f"/photos/{photo}/label", data={"label": "Хаас 2020"})
    assert (
        photo
        in admin.get(
            "/gallery", query_string={"ground_truth": "Хаас 2020", "outcome": "correct"}
        ).text
    )
    assert "Every photo is sorted" in admin.get(f"{PAGE}?label=haas").text
    assert "counted as Haas here" in admin.get("/stats").text
    assert photo in admin.get("/gallery?model=f1-teams@1&ground_truth=haas").text


def test_what_makes_no_sense_is_said_and_kept_in_the_form(admin: FlaskClient) -> None:
    page = admin.post(f"{PAGE}/split", data={**SPLIT, "names": "Ferrari\nnew"})
    assert (
        page.status_code == 400
        and "means Ferrari already" in page.text
        and "Ferrari\nnew</textarea>" in page.text
    )
    assert "into itself" in admin.get(f"{PAGE}/merge?label=haas&into=haas").text
    assert admin.post(f"{PAGE}/merge", data={"label": "haas", "into": "trabant"}).status_code == 422
    assert admin.get("/models/nobody/labels/merge").status_code == 404


def test_a_job_that_was_interrupted_is_shown_and_goes_on(
    app: Flask,
    admin: FlaskClient,
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
    runner: FlaskCliRunner,
) -> None:
    photo = send("#787878", ground_truth="haas")
    with monkeypatch.context() as patch:
        patch.setattr(remap, "_INLINE", 0)
        admin.post(f"{PAGE}/merge", data=MERGE)
    page = admin.get(PAGE).text
    assert "How far it is" in page and "interrupted" not in page
    with app.app_context():
        job = remap_job.latest_job("f1-teams").job.public_id
    admin.post(f"/jobs/{job}/cancel")
    assert "It was interrupted; nothing is lost" in admin.get(PAGE).text
    admin.post(f"{PAGE}/reread")
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(LONG)
    assert "labels as they are now" not in admin.get(PAGE).text
    assert photo in admin.get("/gallery?ground_truth=bwt&outcome=correct").text
    output = runner.invoke(args=["model", "reread", "f1-teams"]).output
    assert "reads as its labels are now" in output


def test_json_takes_the_old_name_and_says_so(
    admin: FlaskClient, key: dict[str, str], send: Send, runner: FlaskCliRunner
) -> None:
    photo = send()
    admin.post(f"{PAGE}/merge", data=MERGE)
    answer = admin.put(
        f"/api/v1/photos/{photo}/ground-truth", json={"label": "haas"}, headers=key
    ).json
    assert (answer["ground_truth"], answer["taken_as"]) == ("bwt", "bwt")
    assert (
        admin.post("/api/v1/labels", json={"ids": [photo], "label": "haas"}, headers=key).json[
            "taken_as"
        ]
        == "bwt"
    )
    labels = admin.get(f"/api/v1{PAGE}", headers=key).json["items"]
    assert next(label for label in labels if label["label"] == "haas")["merged_into"] == "bwt"
    assert "reads as bwt" in runner.invoke(args=["model", "labels", "f1-teams"]).output
    assert len(answer["prediction"]["ranked"]) == 9


def test_a_label_set_leaves_and_comes_back_as_a_file(
    admin: FlaskClient, reviewer: FlaskClient
) -> None:
    assert (
        reviewer.get(f"{PAGE}.csv").status_code == 403
        and reviewer.post(f"{PAGE}/file").status_code == 403
    )
    table = admin.get(f"{PAGE}.csv").text.replace("haas,Haas", "haas,Хаас")
    assert admin.get(f"{PAGE}.json").json[3]["display"] == "Haas"
    page = admin.post(
        f"{PAGE}/file", data={"file": (io.BytesIO(table.encode()), "labels.csv")}
    ).text
    assert (
        "1 change to f1-teams?" in page
        and "name: Хаас" in page
        and "Хаас" not in admin.get(PAGE).text
    )
    assert (
        "Saved: 1 change"
        in admin.post(
            f"{PAGE}/file", data={"text": table, "apply": "yes"}, follow_redirects=True
        ).text
    )
    assert "This file changes nothing" in admin.post(f"{PAGE}/file", data={"text": table}).text
    assert "Nothing was changed" in admin.post(f"{PAGE}/file", data={"text": "nonsense"}).text


def test_the_terminal_takes_a_label_set_in(runner: FlaskCliRunner, tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(
        runner.invoke(args=["model", "labels", "f1-teams", "--format", "json"]).output.replace(
            '"Haas"', '"Хаас"'
        )
    )
    asked = ["model", "labels", "f1-teams", "--import", str(file)]
    assert "haas: name: Хаас\n1 would change" in runner.invoke(args=asked).output
    assert "1 changed" in runner.invoke(args=[*asked, "--apply"]).output
    assert (
        "haas,Хаас" in runner.invoke(args=["model", "labels", "f1-teams", "--format", "csv"]).output
    )
