"""Jobs on the pages: a zip dropped on the upload page, its progress, its end, who sees it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import draw
from webapp.domain import SHORT
from webapp.extensions import get_tools
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.storage import jobs as storage
from webapp.storage.database import writing
from webapp.storage.tables import now


def a_zip(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for mark, name in enumerate(names or ("a.jpg",)):
            archive.writestr(name, draw(mark=mark) if name.endswith("jpg") else b"hello")
    return content.getvalue()


def send(client: FlaskClient, *names: str, **fields: str) -> str:
    """Send a zip with the form; the address of its job."""
    answer = client.post("/", data={"files": [(io.BytesIO(a_zip(*names)), "photos.zip")], **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def group(client: FlaskClient, number: int, *, job: str = "", last: str = "no", photos: int = 2):
    files = [
        (io.BytesIO(draw(mark=10 * number + mark)), f"{number}-{mark}.jpg")
        for mark in range(photos)
    ]
    return client.post(
        "/jobs/upload",
        data={"files": files, "job": job, "group": str(number), "last": last, "title": "4 files"},
    )


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], None]:
    return lambda: Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)


def test_a_zip_becomes_a_job_that_waits(client: FlaskClient) -> None:
    page = client.get(send(client))
    assert "Waiting." in page.text
    assert '<noscript><meta http-equiv="refresh" content="3">' in page.text
    assert "no worker was seen" in page.text


def test_its_page_says_what_came_of_it(client: FlaskClient, run_jobs: Callable[[], None]) -> None:
    address = send(client, "a.jpg", "b.jpg", "words.txt")
    run_jobs()
    page = client.get(address).text
    assert page.count("2 photos are new.") == 1
    assert "words.txt" in page
    assert "refresh" not in page
    gallery = re.findall(r'href="(/gallery\?batch=[^"]+)"', page)[0]
    assert client.get(gallery).text.count('class="tile"') == 2


def test_what_was_left_out_is_a_table(client: FlaskClient, run_jobs: Callable[[], None]) -> None:
    address = send(client, "a.jpg", "=words.txt")
    run_jobs()
    table = client.get(f"{address}/left-out.csv")
    assert table.content_type.startswith("text/csv")
    assert table.text.splitlines() == ["file,what,why", "'=words.txt,skipped,not an image we read"]


def test_the_form_s_fields_go_with_it(client: FlaskClient, run_jobs: Callable[[], None]) -> None:
    send(client, "haas/a.jpg", "ferrari/b.jpg", folders="yes")
    run_jobs()
    assert client.get("/api/v1/photos?ground_truth=haas").json["items"][0]["filename"] == "a.jpg"


def test_folders_are_labels_only_on_yes(client: FlaskClient, run_jobs: Callable[[], None]) -> None:
    send(client, "haas/a.jpg", folders="no")
    run_jobs()
    (photo,) = client.get("/api/v1/photos").json["items"]
    assert photo["ground_truth"] is None


def test_a_zip_that_is_none_is_refused_above_the_form(client: FlaskClient) -> None:
    answer = client.post("/", data={"files": [(io.BytesIO(b"hello"), "photos.zip")]})
    assert (answer.status_code, "This is not a zip" in answer.text) == (422, True)


def test_more_photos_than_a_form_takes_become_a_job(
    client: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    files = [(io.BytesIO(draw(mark=mark)), f"{mark}.jpg") for mark in range(51)]
    answer = client.post("/", data={"files": files})
    assert answer.status_code == 303
    run_jobs()
    assert "51 photos are new." in client.get(answer.location).text


def test_groups_that_the_script_sends_are_one_job(
    client: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    job = group(client, 1).json["job"]
    assert "url" not in group(client, 1, job=job).json  # its answer was lost, and it came again
    done = group(client, 2, job=job, last="yes").json
    run_jobs()
    assert "4 photos are new." in client.get(done["url"]).text


def test_a_group_for_a_strange_place_is_refused(client: FlaskClient) -> None:
    assert group(client, 1, job="../../etc").status_code == 404


def test_a_waiting_job_is_cancelled(client: FlaskClient) -> None:
    address = send(client)
    assert client.post(f"{address}/cancel").location == address
    assert "Cancelled." in client.get(address).text


def test_a_failed_job_says_why_and_goes_on(
    app: Flask, client: FlaskClient, run_jobs: Callable[[], None], config
) -> None:
    address = send(client)
    for path in (config.data / "spool").rglob("*.zip"):
        path.rename(path.with_suffix(".away"))
    run_jobs()
    page = client.get(address).text
    assert "It failed." in page
    assert "send it again" in page
    for path in (config.data / "spool").rglob("*.away"):
        path.rename(path.with_suffix(".zip"))
    assert client.post(f"{address}/retry").status_code == 303
    run_jobs()
    assert "1 photo is new." in client.get(address).text


def test_a_visitor_sees_their_own_jobs_only(
    app: Flask, client: FlaskClient, reviewer: FlaskClient
) -> None:
    address = send(client)
    stranger = app.test_client()
    browsers = (client, stranger, reviewer)
    assert [browser.get(address).status_code for browser in browsers] == [200, 404, 200]
    assert stranger.post(f"{address}/cancel").status_code == 404
    assert ["photos.zip" in browser.get("/jobs").text for browser in browsers] == [
        True,
        False,
        True,
    ]
    assert ['href="/jobs"' in browser.get("/").text for browser in browsers] == [
        True,
        False,
        True,
    ]


def test_the_list_is_filtered_by_state(client: FlaskClient, run_jobs: Callable[[], None]) -> None:
    send(client)
    run_jobs()
    assert "photos.zip" in client.get("/jobs?state=succeeded").text
    assert "No job is like this" in client.get("/jobs?state=failed").text
    assert client.get("/jobs?state=dancing").status_code == 400


def test_an_empty_list_says_what_to_do(client: FlaskClient) -> None:
    assert "No jobs yet" in client.get("/jobs").text


def test_an_admin_takes_in_a_folder_of_the_server(
    app: Flask,
    admin: FlaskClient,
    reviewer: FlaskClient,
    run_jobs: Callable[[], None],
    tmp_path: Path,
) -> None:
    assert "Take in a folder" not in admin.get("/jobs").text
    extensions = app.extensions["marque"]
    (tmp_path / "in" / "haas").mkdir(parents=True)
    (tmp_path / "in" / "haas" / "a.jpg").write_bytes(draw())
    extensions.config = extensions.config.model_copy(update={"import_folder": tmp_path / "in"})
    assert "Take in a folder" in admin.get("/jobs").text
    assert reviewer.post("/jobs/folder", data={"folder": ""}).status_code == 403
    done = admin.post("/jobs/folder", data={"folder": "", "folders": "yes"})
    run_jobs()
    assert "1 photo is new." in admin.get(done.location).text
    admin.post("/jobs/folder", data={"folder": "../.."})
    assert "There is no folder" in admin.get("/jobs").text


def test_uploads_for_people_only_are_closed_to_zips(app: Flask, client: FlaskClient) -> None:
    extensions = app.extensions["marque"]
    extensions.config = extensions.config.model_copy(update={"uploads": "login"})
    assert group(client, 1, last="yes").status_code == 401


def photo_addresses(page: str) -> list[str]:
    return re.findall(r'href="(/photos/[\w-]+)"', page)


def test_who_sent_a_zip_deletes_its_photos_and_brings_them_back(
    client: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    address = send(client, "a.jpg", "b.jpg")
    run_jobs()
    assert "Delete <span>2 photos?" in client.get(f"{address}/delete").text
    page = client.post(f"{address}/delete", follow_redirects=True).text
    assert "2 photos." in page and photo_addresses(page) == []
    assert client.get("/api/v1/photos").json["items"] == []
    page = client.post(f"{address}/restore", follow_redirects=True).text
    assert len(photo_addresses(page)) == 2
    assert "Bring" not in page


def test_nobody_else_deletes_them(
    app: Flask, client: FlaskClient, reviewer: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    address = send(client)
    run_jobs()
    assert "Delete its photos" not in reviewer.get(address).text
    others = (app.test_client(), reviewer)
    assert [browser.post(f"{address}/delete").status_code for browser in others] == [
        404,
        403,
    ]
    assert [
        browser.post(f"{address}/restore").status_code for browser in (app.test_client(), reviewer)
    ] == [404, 403]
    assert len(client.get("/api/v1/photos").json["items"]) == 1


def test_photos_are_not_deleted_while_they_come_in(client: FlaskClient) -> None:
    address = send(client)
    assert client.post(f"{address}/delete").status_code == 409
    assert client.get(f"{address}/delete").status_code == 303


def test_photos_that_were_here_before_stay(
    client: FlaskClient, upload: Callable[..., str], run_jobs: Callable[[], None]
) -> None:
    upload("#FF8700", mark=0)
    address = send(client, "a.jpg", "b.jpg")
    run_jobs()
    client.post(f"{address}/delete")
    assert len(client.get("/api/v1/photos").json["items"]) == 1


def test_a_star_protects_what_came_in_a_zip(
    client: FlaskClient, reviewer: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    address = send(client, "a.jpg", "b.jpg")
    run_jobs()
    starred = photo_addresses(client.get(address).text)[0].rpartition("/")[2]
    reviewer.post("/gallery/many", data={"action": "star", "ids": starred})
    assert "1 photo with a star stays" in client.get(f"{address}/delete").text
    assert (
        "1 photo with a star stayed" in client.post(f"{address}/delete", follow_redirects=True).text
    )
    assert "None of the photos" in client.get(f"{address}/delete").text


def test_one_photo_of_a_zip_is_deleted_on_its_page(
    app: Flask, client: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    address = send(client, "a.jpg", "b.jpg")
    run_jobs()
    photo = photo_addresses(client.get(address).text)[0]
    assert f'href="{photo}/delete"' in client.get(photo).text
    assert f'href="{photo}/delete"' not in app.test_client().get(photo).text
    assert app.test_client().post(f"{photo}/delete").status_code == 403
    assert client.post(f"{photo}/delete").status_code == 303
    assert client.get(photo).status_code == 410
    assert client.post(f"{photo}/restore").location == photo


def test_who_sent_a_zip_sees_its_photos_where_the_gallery_is_closed(
    app: Flask, client: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    extensions = app.extensions["marque"]
    extensions.config = extensions.config.model_copy(update={"gallery": "login"})
    address = send(client)
    run_jobs()
    photo = photo_addresses(client.get(address).text)[0]
    assert "/gallery?batch" not in client.get(address).text
    browsers = (client, app.test_client())
    assert [browser.get(f"{photo}/thumbnail").status_code for browser in browsers] == [
        200,
        303,
    ]


def test_the_last_group_may_come_twice(client: FlaskClient) -> None:
    job = group(client, 1).json["job"]
    first, again = (group(client, 2, job=job, last="yes").json for _ in range(2))
    assert first == again


def test_a_group_for_the_job_of_somebody_else_is_refused(app: Flask, client: FlaskClient) -> None:
    job = group(client, 1, last="yes").json["job"]
    answer = group(app.test_client(), 2, job=job, last="yes")
    assert (answer.status_code, "Nothing was added" in answer.json["error"]) == (409, True)


def test_nobody_makes_a_job_that_owns_the_photos_of_others(app: Flask, client: FlaskClient) -> None:
    client.post("/", data={"files": [(io.BytesIO(draw()), "a.jpg")], "batch": "abcdefgh12345678"})
    assert group(app.test_client(), 1, job="abcdefgh12345678", last="yes").status_code == 404


def test_a_long_log_is_folded(
    app: Flask, client: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    address = send(client)
    with app.app_context(), writing():
        job = storage.find_job(address.rpartition("/")[2])
        assert job
        storage.add_lines(job.id, [f"Line {number}" for number in range(40)], now())
    page = client.get(address).text
    assert "<summary>28 lines before</summary>" in page
    assert page.index("Line 27<") < page.index("</details>") < page.index("Line 28<")
