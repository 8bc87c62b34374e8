"""Rate limits of pages and calls: real requests, small limits."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import draw
from tests.fakes import FakeClassifier
from tests.views.conftest import form_of, make_app
from webapp.http.rate_limits import _network
from webapp.services.accounts import api_keys

__all__ = ["make_app"]
Make = Callable[..., Flask]


@pytest.fixture
def strict(make_app: Make, classifier: FakeClassifier) -> FlaskClient:
    """Three photos and twelve requests a minute for an address, twice as many for a key."""
    return make_app(classifier, rate_photos=3, rate_requests=12, rate_keys=2).test_client()


def classify(
    client: FlaskClient,
    *,
    files: int = 1,
    path: str = "/api/v1/classify",
    field: str = "file",
    **options: object,
):
    content = [(io.BytesIO(draw(mark=number)), "a.jpg") for number in range(files)]
    return client.post(path, data={field: content}, **options)  # type: ignore[arg-type]


def make_key(client: FlaskClient) -> dict[str, str]:
    with client.application.app_context():
        return {"Authorization": f"Bearer {api_keys.create_key('robot', 'predict')[1]}"}


def test_a_script_that_hammers_is_told_to_wait(strict: FlaskClient) -> None:
    assert [classify(strict).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = classify(strict)
    assert refused.content_type == "application/problem+json"
    assert refused.json["status"] == 429 and "More than 3 photos a minute" in refused.json["detail"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_photos_count_not_forms(strict: FlaskClient) -> None:
    assert classify(strict, files=2).status_code == 200
    assert classify(strict, files=2).status_code == 429


def test_nothing_of_a_refused_request_is_stored(strict: FlaskClient) -> None:
    for _ in range(3):
        classify(strict)
    assert classify(strict, path="/api/v1/photos").status_code == 429
    assert strict.get("/api/v1/photos").json["items"] == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/infer", "image"),
        ("/predict/", "files"),
        ("/api/upload", "file"),
        ("/api/v1/photos", "file"),
    ],
)
def test_every_call_that_takes_photos_counts_them(
    strict: FlaskClient, path: str, field: str
) -> None:
    for _ in range(3):
        classify(strict)
    refused = classify(strict, path=path, field=field)
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")


def test_a_photo_in_base64_counts(strict: FlaskClient) -> None:
    body = {"im_b64": base64.b64encode(draw()).decode()}
    assert [strict.post("/predict", json=body).status_code for _ in range(4)] == [
        200,
        200,
        200,
        429,
    ]


def test_people_get_a_page_that_says_what_to_do(strict: FlaskClient) -> None:
    for number in range(3):
        strict.post("/", data=form_of((draw(mark=number), "a.jpg")))
    refused = strict.post("/", data=form_of((draw(mark=9), "a.jpg")))
    assert refused.status_code == 429 and refused.mimetype == "text/html"
    assert "send it again in" in refused.text and int(refused.headers["Retry-After"]) > 0


def test_any_request_too_many_is_a_page_or_a_problem(strict: FlaskClient) -> None:
    assert [strict.get("/help").status_code for _ in range(13)] == [200] * 12 + [429]
    page, problem = strict.get("/help"), strict.get("/api/v1/photos")
    assert page.mimetype == "text/html" and "Slow down a little" in page.text
    assert problem.status_code == 429 and problem.mimetype == "application/problem+json"


def test_addresses_that_lead_nowhere_count(strict: FlaskClient) -> None:
    assert [strict.get("/wp-login.php").status_code for _ in range(13)][-1] == 429


@pytest.mark.parametrize(
    "path",
    [
        "/ping",
        "/health/live",
        "/health/ready",
        "/healthcheck",
        "/static/marque.css",
        "/favicon.ico",
        "/robots.txt",
    ],
)
def test_health_and_static_files_are_never_limited(strict: FlaskClient, path: str) -> None:
    for _ in range(15):
        with strict.get(path) as answer:
            assert answer.status_code == 200 and "RateLimit" not in answer.headers


def test_the_headers_tell_the_rules_and_what_is_left(strict: FlaskClient) -> None:
    headers = classify(strict, files=2).headers
    assert headers["RateLimit-Policy"] == '"requests";q=12;w=60, "photos";q=3;w=60'
    assert re.fullmatch(r'"requests";r=11;t=\d+, "photos";r=1;t=\d+', headers["RateLimit"])


def test_a_key_has_a_larger_count_of_its_own(strict: FlaskClient) -> None:
    key, other = make_key(strict), make_key(strict)
    assert [classify(strict, headers=key).status_code for _ in range(7)] == [200] * 6 + [429]
    assert classify(strict).status_code == 200
    assert classify(strict, headers=other).status_code == 200


def test_guessing_keys_counts_for_the_address(strict: FlaskClient) -> None:
    codes = [
        strict.get("/api/v1/photos", headers={"Authorization": f"Bearer mq_{number}"}).status_code
        for number in range(13)
    ]
    assert codes == [401] * 12 + [429]


def test_another_address_is_not_held_up(strict: FlaskClient) -> None:
    for _ in range(4):
        classify(strict)
    assert classify(strict, environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code == 200


def test_a_made_up_address_is_not_believed_without_proxies(strict: FlaskClient) -> None:
    codes = [
        classify(strict, headers={"X-Forwarded-For": f"10.0.0.{number}"}).status_code
        for number in range(4)
    ]
    assert codes[-1] == 429


def test_behind_a_proxy_the_senders_own_address_counts(
    make_app: Make, classifier: FakeClassifier
) -> None:
    client = make_app(classifier, rate_photos=1, proxies=1).test_client()
    codes = [
        classify(client, headers={"X-Forwarded-For": f"6.6.6.6, 10.0.0.{number % 2}"}).status_code
        for number in range(3)
    ]
    assert codes == [200, 200, 429]


def test_they_can_be_switched_off(make_app: Make, classifier: FakeClassifier) -> None:
    client = make_app(classifier, rate_photos=1, rate_requests=1, rate_limits=False).test_client()
    answers = [classify(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3 and "RateLimit" not in answers[
        0
    ].headers


def test_a_person_who_drops_fifty_photos_never_meets_it(client: FlaskClient) -> None:
    codes = {
        client.post("/", data=form_of((draw(mark=number), "a.jpg"))).status_code
        for number in range(50)
    }
    assert codes == {303}


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_counts_as_one_sender(address: str, counted: str) -> None:
    assert _network(address) == counted
