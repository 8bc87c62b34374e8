"""Requests are checked against their call: all that is wrong is named, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

Upload = Callable[..., str]


def faults(answer) -> dict[str, str]:
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json"), (
        answer.text
    )
    return {error["where"]: error["what"] for error in answer.json["errors"]}


@pytest.mark.parametrize(
    ("query", "where", "what"),
    [
        ("limit=0", "query.limit", "must be at least 1"),
        ("limit=201", "query.limit", "must be at most 200"),
        ("limit=many", "query.limit", "must be a whole number"),
        ("limit=" + "9" * 5000, "query.limit", "is too large"),
        ("min_confidence=1.5", "query.min_confidence", "must be at most 1"),
        ("min_confidence=nan", "query.min_confidence", "must be at most 1"),
        (
            "outcome=maybe",
            "query.outcome",
            "must be 'correct', 'wrong', 'unlabelled', 'unclassified', 'unusable' or 'no-car'",
        ),
        ("since=yesterday", "query.since", "must be a day like 2026-02-27"),
        ("since=2026-02-30", "query.since", "must be a day like 2026-02-27"),
        ("filename=%00", "query.filename", "has characters that no name has"),
        ("filename=" + "x" * 300, "query.filename", "has more than 255 characters"),
        ("ground_thruth=haas", "query.ground_thruth", "is not known here"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(
    client: FlaskClient, query: str, where: str, what: str
) -> None:
    assert faults(client.get(f"/api/v1/photos?{query}")) == {where: what}


def test_everything_that_is_wrong_is_named_at_once(client: FlaskClient) -> None:
    answer = client.get("/api/v1/photos?limit=0&sort=best&color=red")
    assert faults(answer).keys() == {"query.limit", "query.sort", "query.color"}
    assert all(
        where in answer.json["detail"] for where in ("query.limit", "query.sort", "query.color")
    )


def test_numbers_in_an_address_are_read_as_numbers(client: FlaskClient, upload: Upload) -> None:
    upload()
    answer = client.get("/api/v1/photos?model=f1-teams&version=1&limit=5&min_confidence=0.1&to=100")
    assert len(answer.json["items"]) == 1


@pytest.mark.parametrize("day", ["0001-01-01", "0001-01-02", "9999-12-30", "9999-12-31"])
def test_every_day_that_can_be_written_can_be_asked_for(
    client: FlaskClient, upload: Upload, day: str
) -> None:
    upload()
    numbers = [
        len(client.get(f"/api/v1/photos?{side}={day}").json["items"]) for side in ("since", "until")
    ]
    assert numbers == ([1, 0] if day < "2000" else [0, 1])


def test_white_space_around_a_text_says_nothing(client: FlaskClient, upload: Upload) -> None:
    upload("#FF8700")
    for query in ("predicted=%20mclaren%20", "model=%20f1-teams", "filename=%20"):
        assert len(client.get(f"/api/v1/photos?{query}").json["items"]) == 1


def test_white_space_is_not_an_empty_parameter(client: FlaskClient) -> None:
    assert faults(client.get("/api/v1/photos?audited=%0C")).keys() == {"query.audited"}


def test_an_empty_parameter_is_as_good_as_none(client: FlaskClient, upload: Upload) -> None:
    upload()
    assert (
        len(
            client.get("/api/v1/photos?outcome=&limit=&since=&min_confidence=&cursor=").json[
                "items"
            ]
        )
        == 1
    )


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        (b"{}", "body.label", "is missing"),
        (b"", "body.label", "is missing"),
        (b"[]", "body", "must be a JSON object"),
        (b"{", "body", "is not JSON that can be read"),
        (b"\xff\xfe", "body", "is not JSON that can be read"),
        (b'{"label": "\\ud800"}', "body", "is not JSON that can be read"),
        (b'{"label": 5}', "body.label", "must be a text"),
        (b'{"label": null}', "body.label", "must be a text"),
        (b'{"label": "haas", "who": "me"}', "body.who", "is not known here"),
        (
            b'{"label": "haas", "why": "%s"}' % (b"x" * 501),
            "body.why",
            "has more than 500 characters",
        ),
    ],
)
def test_a_body_that_makes_no_sense_is_named(
    client: FlaskClient, key: dict[str, str], upload: Upload, body: bytes, where: str, what: str
) -> None:
    path = f"/api/v1/photos/{upload()}"
    assert faults(
        client.put(f"{path}/ground-truth", data=body, content_type="application/json", headers=key)
    ) == {where: what}
    assert client.get(path).json["ground_truth"] is None


def test_where_in_a_list_or_a_filter_something_is_wrong_is_named(
    client: FlaskClient, key: dict[str, str]
) -> None:
    in_list = client.post("/api/v1/labels", json={"ids": ["a", 5], "label": "haas"}, headers=key)
    in_filter = client.post(
        "/api/v1/labels", json={"filter": {"min_confidence": "high"}, "label": "haas"}, headers=key
    )
    in_day = client.post(
        "/api/v1/labels", json={"filter": {"since": 20260227}, "label": "haas"}, headers=key
    )
    assert faults(in_list) == {"body.ids.1": "must be a text"}
    assert faults(in_filter) == {"body.filter.min_confidence": "must be a number"}
    assert faults(in_day) == {"body.filter.since": "must be a day like 2026-02-27"}


def test_either_ids_or_a_filter_must_be_given(client: FlaskClient, key: dict[str, str]) -> None:
    assert faults(client.post("/api/v1/labels", json={"label": "haas"}, headers=key)) == {
        "body": "needs either ids or a filter"
    }


def test_a_body_that_is_no_json_is_told_how_to_be_sent(
    client: FlaskClient, key: dict[str, str]
) -> None:
    answer = client.post("/api/v1/labels", data={"label": "haas"}, headers=key)
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json["detail"]


def test_a_body_that_is_far_too_long_is_not_read(client: FlaskClient, key: dict[str, str]) -> None:
    answer = client.post(
        "/api/v1/labels", data=b" " * 2_000_000, content_type="application/json", headers=key
    )
    assert answer.status_code == 413


def test_who_may_not_call_is_told_so_before_anything_is_read(client: FlaskClient) -> None:
    assert client.post("/api/v1/labels", data=b"{").status_code == 401
