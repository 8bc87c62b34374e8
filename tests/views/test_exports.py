"""The page that gives photos out: counts first, then a file, then what was taken before."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cars import put_cars
from tests.fakes import make_card
from tests.views.conftest import Send, form_of
from webapp.domain import NO_CAR, PERSON, SHORT, Who
from webapp.extensions import get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports import order as orders
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.labels.relabel import relabel_car
from webapp.storage.labels.events import Stamp


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def photo_with_place() -> bytes:
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x010F] = "Kamera"
    Image.new("RGB", (60, 40), "#C00000").save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_it_counts_before_it_gives(reviewer: FlaskClient, send: Send) -> None:
    send(ground_truth="haas"), send(mark=1)
    page = words(reviewer.get("/export").text)
    assert "Export 2 photos" in page and "With a class 1" in page and "Not checked 1" in page


def test_a_table_is_a_file_with_a_name(reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    answer = reviewer.post("/export", data={"format": "csv"})
    assert re.search(
        r'filename="marque-\d{4}-\d\d-\d\d-csv\.csv"', answer.headers["Content-Disposition"]
    )
    assert [plain_cell(row["id"]) for row in csv.DictReader(io.StringIO(answer.text))] == [
        public_id
    ]


def test_the_filter_of_the_gallery_comes_along(reviewer: FlaskClient, send: Send) -> None:
    send(ground_truth="mclaren")
    wrong = send(mark=1, ground_truth="haas")
    gallery = reviewer.get("/gallery?outcome=wrong").text
    assert 'href="/export?outcome=wrong"' in gallery
    page = reviewer.get("/export?outcome=wrong&from=10").text
    assert "Export 1 photo" in page and 'name="from" value="10"' in page
    line = reviewer.post("/export", data={"format": "jsonl", "outcome": "wrong", "from": "10"}).text
    assert json.loads(line)["id"] == wrong


def test_an_export_is_written_down_with_its_manifest(reviewer: FlaskClient, send: Send) -> None:
    send(ground_truth="haas")
    answer = reviewer.post("/export", data={"format": "jsonl"})
    assert answer.data
    export_id = answer.headers["Marque-Export"]
    manifest = reviewer.get(f"/export/{export_id}/manifest.json").json
    assert (
        manifest["state"] == "complete"
        and manifest["who"] == "Ben"
        and manifest["manifest"]["classes"] == {"haas": 1}
    )
    assert manifest["manifest"]["sha256"][:12] in reviewer.get("/export").text


def break_off(browser: FlaskClient, format: str, unit: str = "photos") -> str:
    """Begin a download and close it after the first piece; the page of exports then."""
    answer = browser.post("/export", data={"format": format, "unit": unit}, buffered=False)
    next(answer.response)
    answer.close()
    return str(browser.get("/export").text)


def test_a_table_that_broke_off_goes_on_after_what_has_arrived(
    reviewer: FlaskClient, send: Send
) -> None:
    ids = [send(mark=number) for number in range(3)]
    page = break_off(reviewer, "csv")
    assert "broke off" in page and 'href="/export?format=csv&amp;go_on=1#after"' in page
    assert '<details class="tight" open>' in reviewer.get("/export?format=csv&go_on=1").text
    rest = reviewer.post("/export", data={"format": "jsonl", "after": ids[0]}).text
    assert [json.loads(line)["id"] for line in rest.splitlines()] == ids[1:]


def test_a_zip_that_broke_off_is_offered_again(reviewer: FlaskClient, send: Send) -> None:
    send(ground_truth="haas"), send(mark=1, ground_truth="haas")
    assert ">Again</button>" in break_off(reviewer, "folders")


def test_a_zip_of_crops_that_broke_off_is_offered_again_as_crops(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    for photo in (send(ground_truth="haas"), send(mark=1, ground_truth="haas")):
        with app.app_context():
            put_cars(photo)
    page = break_off(reviewer, "folders", "crops")
    assert '<input type="hidden" name="unit" value="crops">' in page


def test_a_large_zip_offers_its_next_part(
    reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "ZIP_PHOTOS", 1)
    send(ground_truth="haas"), send(mark=1, ground_truth="haas")
    assert "in 2 parts" in reviewer.get("/export").text
    assert reviewer.post("/export", data={"format": "folders"}).data
    assert "Next part" in reviewer.get("/export").text


def test_the_next_part_is_of_the_same_kind(
    app: Flask, reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "ZIP_PHOTOS", 1)
    for photo in (send(ground_truth="haas"), send(mark=1, ground_truth="haas")):
        with app.app_context():
            put_cars(photo)
    assert reviewer.post("/export", data={"format": "folders", "unit": "crops"}).data
    assert '<input type="hidden" name="unit" value="crops">' in reviewer.get("/export").text


@pytest.mark.parametrize(("who", "kept"), [("reviewer", False), ("admin", True)])
def test_only_an_admin_takes_places_along(
    request, client: FlaskClient, who: str, kept: bool
) -> None:
    client.post("/", data=form_of((photo_with_place(), "a.jpg"), ground_truth="haas"))
    browser = request.getfixturevalue(who)
    zipped = zipfile.ZipFile(
        io.BytesIO(browser.post("/export", data={"format": "folders", "metadata": "keep"}).data)
    )
    assert (b"Kamera" in zipped.read(zipped.namelist()[0])) is kept
    (row,) = csv.DictReader(io.StringIO(zipped.read("photos.csv").decode()))
    assert (row["sha256"] == row["file_sha256"]) is kept


def test_cars_may_be_cut_out(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send(ground_truth="haas")
    with app.app_context():
        car, _other = put_cars(public_id)
    answer = reviewer.post("/export", data={"format": "folders", "unit": "crops"})
    assert zipfile.ZipFile(io.BytesIO(answer.data)).namelist()[0].endswith(f"{car}.jpg")
    refused = reviewer.post("/export", data={"format": "csv", "unit": "crops"})
    assert refused.status_code == 400 and "come in folders" in refused.text


def test_photos_for_a_detector_come_with_their_boxes(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    public_id, _unchecked = send(), send(mark=1)
    with app.app_context():
        put_cars(public_id, found_by=PERSON)
    page = reviewer.get("/export").text
    assert '<option value="boxes">' in page and "No photo here has a class yet" not in page
    answer = reviewer.post("/export", data={"format": "folders", "unit": "boxes"})
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    (line,) = archive.read("boxes.jsonl").splitlines()
    assert json.loads(line)["file"] == f"photos/car-{public_id}.jpg"


def test_what_cannot_be_exported_is_refused_on_the_page(reviewer: FlaskClient, send: Send) -> None:
    send()
    answer = reviewer.post("/export", data={"format": "folders", "unit": "wheels"})
    assert answer.status_code == 400 and "unit must be one of photos, crops, boxes" in answer.text


def test_yolo_waits_for_a_box(app: Flask, reviewer: FlaskClient, send: Send) -> None:
    public_id = send()
    assert "No photo here has a box yet" in reviewer.get("/export").text
    with app.app_context():
        put_cars(public_id)
    assert "No photo here has a box yet" not in reviewer.get("/export").text


def test_nothing_to_export_says_what_to_do(reviewer: FlaskClient, send: Send) -> None:
    assert "There is no photo yet" in reviewer.get("/export").text
    send()
    assert "No photo with this filter" in reviewer.get("/export?outcome=wrong").text


@pytest.mark.parametrize(
    "data",
    [
        {"format": "doc"},
        {},
        {"format": "csv", "after": "nothing"},
        {"format": "csv", "outcome": "maybe"},
    ],
)
def test_what_makes_no_sense_is_said_on_the_page(
    reviewer: FlaskClient, send: Send, data: dict[str, str]
) -> None:
    send()
    answer = reviewer.post("/export", data=data)
    assert answer.status_code == 400 and 'role="alert"' in answer.text


def test_a_filter_by_an_unknown_model_exports_nothing(reviewer: FlaskClient) -> None:
    answer = reviewer.post("/export", data={"format": "csv", "model": "nope"})
    assert (answer.status_code, "There is no model called" in answer.text) == (404, True)


def test_an_unknown_export_is_not_there(reviewer: FlaskClient) -> None:
    assert reviewer.get("/export/nothing/manifest.json").status_code == 404


def test_an_order_knows_its_bounds() -> None:
    order = ExportOrder(FORMATS["folders"], GalleryFilter(), limit=9, base_url="http://x.test/")
    assert (order.most, order.base_url) == (9, "http://x.test")


class TestInTheBackground:
    """A job makes the file, and its page has it."""

    def made(self, app: Flask, browser: FlaskClient, **form: str) -> str:
        """Have an export made; the address of its job."""
        answer = browser.post("/export", data={"format": "jsonl", "later": "yes", **form})
        assert answer.status_code == 303, answer.text
        Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
        return str(answer.location)

    def file(self, page: str) -> str:
        return re.findall(r'href="(/jobs/[^"]+/files/marque[^"]+)"', page)[0]

    def test_its_page_has_the_file(self, app: Flask, reviewer: FlaskClient, send: Send) -> None:
        ids = [send(mark=mark) for mark in range(3)]
        page = reviewer.get(self.made(app, reviewer)).text
        assert (
            "3 photos exported." in page
            and "Lines of JSON: everything" in reviewer.get("/export").text
        )
        answer = reviewer.get(self.file(page), buffered=True)
        assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ids
        assert re.search(
            r"filename=marque-[\d-]+-jsonl\.jsonl", answer.headers["Content-Disposition"]
        )

    def test_its_page_says_what_is_left_out(
        self, app: Flask, reviewer: FlaskClient, send: Send
    ) -> None:
        first, _second = send(), send(mark=1)
        with app.app_context():
            car, _other = put_cars(first)
            relabel_car(car, NO_CAR, [make_card()], Stamp(Who("Ben"), "photo"))
        page = words(reviewer.get(self.made(app, reviewer, format="yolo")).text)
        assert "Left out: 1 box in which there is no car, 1 photo without a box." in page

    def test_a_download_that_broke_off_goes_on(
        self, app: Flask, reviewer: FlaskClient, send: Send
    ) -> None:
        send()
        address = self.file(reviewer.get(self.made(app, reviewer)).text)
        whole = reviewer.get(address, headers={"Accept-Encoding": "gzip, br, zstd"}, buffered=True)
        assert "Content-Encoding" not in whole.headers
        rest = reviewer.get(
            address,
            headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]},
            buffered=True,
        )
        assert (rest.status_code, rest.data) == (206, whole.data[100:])
        assert rest.headers["Content-Range"] == f"bytes 100-{len(whole.data) - 1}/{len(whole.data)}"
        assert (
            reviewer.get(
                address, headers={"If-None-Match": whole.headers["ETag"]}, buffered=True
            ).status_code
            == 304
        )
        assert (
            reviewer.get(
                address, headers={"Range": f"bytes={len(whole.data)}-"}, buffered=True
            ).status_code
            == 416
        )
        assert reviewer.head(address, buffered=True).headers["Content-Length"] == str(
            len(whole.data)
        )

    def test_it_is_for_people_who_have_logged_in(
        self, app: Flask, reviewer: FlaskClient, client: FlaskClient, send: Send
    ) -> None:
        send()
        address = self.file(reviewer.get(self.made(app, reviewer)).text)
        assert client.get(address).status_code in (302, 303, 401, 404)
        assert client.get(address).headers.get("Location", "/login").startswith("/login")

    def test_the_filter_comes_along(self, app: Flask, reviewer: FlaskClient, send: Send) -> None:
        send(), send(mark=1, ground_truth="haas")
        assert (
            "1 photo exported." in reviewer.get(self.made(app, reviewer, ground_truth="haas")).text
        )

    def test_its_files_are_removed_before_their_time(
        self, app: Flask, reviewer: FlaskClient, send: Send
    ) -> None:
        send()
        address = self.made(app, reviewer)
        file = self.file(reviewer.get(address).text)
        page = reviewer.post(f"{address}/files/remove", follow_redirects=True).text
        assert (
            "The files are removed." in page
            and "/files/" not in page
            and "removed" in reviewer.get("/export").text
        )
        assert (
            reviewer.get(file).status_code == 404
            and reviewer.post(f"{address}/files/remove").status_code == 404
        )

    def test_a_full_disk_is_said_above_the_form(
        self, reviewer: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send()
        monkeypatch.setattr(export_job, "_RESERVE", 2**60)
        answer = reviewer.post("/export", data={"format": "csv", "later": "yes"})
        assert answer.status_code == 507 and "no room" in answer.text
