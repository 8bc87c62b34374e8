"""The OpenAPI document: valid, complete, and what requests are held against."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from webapp.api.openapi.document import address_of, calls_of
from webapp.api.schemas.photos import Filters
from webapp.app import create_app
from webapp.config import Config
from webapp.gallery_filter import PARAMETERS

PLACES = ("/api/v1/", "/ping", "/health/")


@pytest.fixture
def document(client: FlaskClient) -> dict:
    return client.get("/api/v1/openapi.json").json


def test_it_is_openapi_3_1(document: dict) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_its_paths_and_the_routes_of_the_app_are_the_same(app: Flask, document: dict) -> None:
    told = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    real = {
        (method, address_of(rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(PLACES)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert told == real


def test_every_call_says_what_it_does_and_how_it_may_fail(document: dict) -> None:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told["summary"].endswith(".") or told["summary"].endswith("?"), (
                f"{method} {path}"
            )
            assert "500" in told["responses"], f"{method} {path}"
            assert all(
                item["description"]
                for item in [*told["responses"].values(), *told.get("parameters", [])]
            ), f"{method} {path}"


def test_every_call_has_a_name_of_its_own(document: dict) -> None:
    names = [
        told["operationId"] for methods in document["paths"].values() for told in methods.values()
    ]
    assert len(names) == len(set(names))


def test_the_filters_are_those_of_the_gallery() -> None:
    assert {field.alias or name for name, field in Filters.model_fields.items()} == set(PARAMETERS)


def test_the_list_knows_its_filters_its_page_and_nothing_else(document: dict) -> None:
    names = [item["name"] for item in document["paths"]["/api/v1/photos"]["get"]["parameters"]]
    assert set(names) == {*PARAMETERS, "limit", "cursor"}


def test_a_file_is_a_field_of_a_form_that_may_come_several_times(document: dict) -> None:
    form = document["components"]["schemas"]["PhotoForm"]
    assert form["properties"]["file"]["items"] == {"type": "string", "format": "binary"}
    assert "file" in form["required"]


def test_a_closed_server_says_that_reading_needs_a_key(app: Flask, config: Config) -> None:
    closed = create_app(config.model_copy(update={"gallery": "login"}))
    security = [
        item.test_client()
        .get("/api/v1/openapi.json")
        .json["paths"]["/api/v1/photos"]["get"]["security"]
        for item in (app, closed)
    ]
    assert security == [[{}, {"key": ["predict"]}], [{"key": ["predict"]}]]


def test_relabelling_needs_the_scope_review_everywhere(document: dict) -> None:
    assert document["paths"]["/api/v1/labels"]["post"]["security"] == [{"key": ["review"]}]


def test_behind_a_prefix_the_document_names_it(client: FlaskClient) -> None:
    assert client.get("/api/v1/openapi.json", environ_overrides={"SCRIPT_NAME": "/marque"}).json[
        "servers"
    ] == [{"url": "/marque"}]


def test_every_call_tells_its_arguments_by_name(app: Flask) -> None:
    for rule, call in calls_of(app):
        assert rule.arguments | {"query", "body", "form"} >= call.takes.keys() >= rule.arguments, (
            rule.rule
        )


def test_formats_and_limits_can_be_asked_for(client: FlaskClient) -> None:
    told = client.get("/api/v1/formats").json
    assert {"name": "JPEG", "content_type": "image/jpeg", "pixels": 50_000_000} in told["formats"]
    assert (told["bytes"], told["files"]) == (20 * 2**20, 50)
