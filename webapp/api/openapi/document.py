"""The OpenAPI 3.1 document, made of what `webapp.api.openapi.calls` checks requests by and of the shapes that answers have."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from werkzeug.routing import Rule

from webapp.api.openapi.calls import Call, Content, Need
from webapp.api.schemas.responses import Problem
from webapp.extensions import get_config

Json = dict[str, Any]

REF = "#/components/schemas/{model}"
KEY_SCHEME = "key"
PROBLEM = "application/problem+json"
NAMES = {"public_id": "id"}
"""Parts of an address that are called otherwise outside."""
MOUNT = "/api/v1/"
MEDIA = {"form": "multipart/form-data", "body": "application/json"}
WAITS = (429, 503)
SCOPES = (Need.PREDICT, Need.REVIEW, Need.ADMIN)
SENTENCES = {
    400: "The request cannot be read, or parts of it are wrong, missing or unknown: `errors` names each.",
    401: "A key is needed, or the one that was sent is unknown, expired or revoked.",
    403: "The scope of the key is too small.",
    404: "There is nothing at this address.",
    416: "There is no such part of it: `Content-Range` says how many bytes there are.",
    413: "The request is too large. Nothing was stored.",
    429: "Too many requests. `Retry-After` says how many seconds to wait.",
    500: "A fault of the server. Nothing of this request was stored; the server's log has the details.",
    503: "The server is full, or what should answer cannot be used just now. `Retry-After` says how many seconds to wait.",
}
UNCHANGED = "What was sent with `If-None-Match` is still so."
TOO_LONG = "The address is longer than 8,190 bytes: the HTTP server in front of Marque says so, and not in JSON."
ABOUT = """Upload a photo of a car, get its ranked classes with honest confidence, keep the history, correct the ground truth.

Photos go in as `multipart/form-data` in a field called `file`; everything else is JSON. An error is `application/problem+json` (RFC 9457):
`title` is the status in words, `detail` a sentence that says what happened and what to do. Later versions may add fields to answers, and
never take one away.
"""
KEY = """A key, made at `/admin/keys` or with `flask keys create NAME --scope predict|review|admin`, sent as `Authorization: Bearer KEY`.
Each scope includes those before it. Reading and sending photos needs none where the server's settings leave them open."""


def calls_of(app: Flask) -> Iterator[tuple[Rule, Call]]:
    """The calls that an app has, with their addresses."""
    for rule in app.url_map.iter_rules():
        found = getattr(app.view_functions[rule.endpoint], "call", None)
        if found is not None:
            yield rule, found


def address_of(rule: Rule) -> str:
    """The address of a rule with its parameters in braces: `/api/v1/photos/{id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: f"{{{_outside(found[1])}}}", rule.rule)


def make_document(app: Flask) -> Json:
    """The document of everything that an app answers as a call; which calls need a key, its settings say."""
    found = list(calls_of(app))
    schemas, components = _schemas(found)
    paths: dict[str, Json] = {}
    for rule, call in found:
        operation = _operation(app.view_functions[rule.endpoint], rule, call, schemas)
        paths.setdefault(address_of(rule), {})[call.method.lower()] = operation
    tags = {_module(app, rule): _sentence(app, rule) for rule, _call in found}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marque", "version": "1", "description": ABOUT},
        "tags": [{"name": name, "description": sentence} for name, sentence in tags.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                KEY_SCHEME: {"type": "http", "scheme": "bearer", "description": KEY}
            },
        },
    }


# ---- schemas ----


def _schemas(found: Iterable[tuple[Rule, Call]]) -> tuple[dict[Any, Json], Json]:
    """The schema of every type that a call takes in its body or answers, and the components they refer to."""
    kinds: list[Any] = [Problem]
    for _rule, call in found:
        kinds += [call.takes[name] for name in ("body", "form") if name in call.takes]
        kinds += [
            shape
            for shape in call.answers.values()
            if shape is not None and not isinstance(shape, Content)
        ]
    adapters = [(kind, TypeAdapter(kind)) for kind in dict.fromkeys(kinds)]
    made, components = TypeAdapter.json_schemas(
        [(kind, "validation", adapter) for kind, adapter in adapters], ref_template=REF
    )
    told = _tidy(components.get("$defs", {}))
    for kind in kinds:
        for base in getattr(kind, "__orig_bases__", ()):
            _repeat_words(
                told.get(getattr(kind, "__name__", "")), told.get(getattr(base, "__name__", ""))
            )
    return {kind: _tidy(schema) for (kind, _mode), schema in made.items()}, told


def _repeat_words(schema: Json | None, base: Json | None) -> None:
    """What is said about the fields of a shape holds in the shapes made of it, where pydantic does not look."""
    for name, one in (base or {}).get("properties", {}).items():
        if schema is not None and "description" in one:
            schema["properties"][name].setdefault("description", one["description"])


def _tidy(node: Any) -> Any:
    """A schema without titles that only repeat a field's name, and without defaults that say that there is none."""
    if isinstance(node, list):
        return [_tidy(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {
        name: one
        for name, one in node.items()
        if not (name == "title" and isinstance(one, str))
        and not (name == "default" and one is None)
    }
    return {name: _tidy(one) for name, one in kept.items()}


# ---- one call ----


def _operation(view: Any, rule: Rule, call: Call, schemas: Mapping[Any, Json]) -> Json:
    summary, _, rest = (getdoc(view) or "").partition("\n")
    operation: Json = {
        "operationId": f"{_stem(view)}_{view.__name__}",
        "tags": [_stem(view).capitalize()],
        "summary": summary,
        "description": rest.strip(),
        "parameters": [
            *_path_parameters(rule, call),
            *_query_parameters(call),
            *_header_parameters(call),
        ],
        "requestBody": _request_body(call, schemas),
        "responses": _responses(rule, call, schemas),
        "security": _security(call.needs),
    }
    return {name: value for name, value in operation.items() if value or name == "security"}


def _path_parameters(rule: Rule, call: Call) -> list[Json]:
    found = []
    for name in re.findall(r"<(?:\w+:)?(\w+)>", rule.rule):
        schema = _tidy(TypeAdapter(call.takes[name]).json_schema())
        found.append(_parameter(_outside(name), "path", schema, required=True))
    return found


def _query_parameters(call: Call) -> list[Json]:
    if "query" not in call.takes:
        return []
    schema = _tidy(call.takes["query"].model_json_schema())
    required = schema.get("required", ())
    return [
        {
            **_parameter(name, "query", one, required=name in required),
            "allowEmptyValue": name not in required,
        }
        for name, one in schema["properties"].items()
    ]


def _header_parameters(call: Call) -> list[Json]:
    return [
        _parameter(name, "header", {"type": "string", "description": told}, required=False)
        for name, told in call.headers.items()
    ]


def _parameter(name: str, place: str, schema: Json, *, required: bool) -> Json:
    said = {key: schema[key] for key in ("description",) if key in schema}
    return {
        "name": name,
        "in": place,
        "required": required,
        **said,
        "schema": {key: schema[key] for key in schema if key not in said},
    }


def _request_body(call: Call, schemas: Mapping[Any, Json]) -> Json | None:
    kinds: dict[str, type[BaseModel]] = {
        media: call.takes[name] for name, media in MEDIA.items() if name in call.takes
    }
    if not kinds:
        return None
    needed = any(one.is_required() for kind in kinds.values() for one in kind.model_fields.values())
    return {
        "required": needed,
        "content": {media: {"schema": schemas[kind]} for media, kind in kinds.items()},
    }


def _responses(rule: Rule, call: Call, schemas: Mapping[Any, Json]) -> Json:
    found: Json = {
        str(status): _answer(status, shape, schemas) for status, shape in call.answers.items()
    }
    for status, sentences in sorted(statuses_of(rule, call).items()):
        if str(status) in found:
            continue
        found[str(status)] = {
            "description": " ".join(sentences),
            "content": {PROBLEM: {"schema": schemas[Problem]}},
        }
        if status in WAITS:
            found[str(status)]["headers"] = {
                "Retry-After": {
                    "description": "Seconds.",
                    "schema": {"type": "integer", "minimum": 0},
                }
            }
    if keeps(rule, call):
        found["304"] = {"description": UNCHANGED}
    if "query" in call.takes:
        found["414"] = {"description": TOO_LONG, "content": {"text/html": {}}}
    return found


def keeps(rule: Rule, call: Call) -> bool:
    """True when who has the answer already is told so with 304."""
    return call.method == "GET" and rule.rule.startswith(MOUNT)


def _answer(status: int, shape: Any, schemas: Mapping[Any, Json]) -> Json:
    answer: Json = {"description": f"{HTTPStatus(status).phrase}."}
    if isinstance(shape, Content):
        answer["content"] = {media: {} for media in dict.fromkeys(shape.types)}
        if shape.headers:
            answer["headers"] = {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in shape.headers.items()
            }
    elif shape is not None:
        answer["content"] = {"application/json": {"schema": schemas[shape]}}
    return answer


def statuses_of(rule: Rule, call: Call) -> dict[int, list[str]]:
    """The statuses of the errors that a call may answer, with sentences about each."""
    found: dict[int, list[str]] = {500: [SENTENCES[500]]}
    if rule.rule.startswith(MOUNT):
        found |= {status: [SENTENCES[status]] for status in WAITS}
    if call.needs is not Need.NOTHING:
        found[401] = [SENTENCES[401]]
    if call.needs in SCOPES:
        found[403] = [SENTENCES[403]]
    if HTTPStatus.PARTIAL_CONTENT in call.answers:
        found[416] = [SENTENCES[416]]
    if rule.arguments:
        found[404] = [SENTENCES[404]]
    if {"query", "body", "form"} & call.takes.keys():
        found[400] = [SENTENCES[400]]
    if {"body", "form"} & call.takes.keys():
        found[413] = [SENTENCES[413]]
    for kind in call.errors:
        status = kind.status
        said = (kind.__doc__ or "").partition("\n")[0]
        found.setdefault(status, []).append(said)
    return found


def _security(needs: Need) -> list[Json]:
    if needs is Need.NOTHING:
        return []
    if needs in SCOPES:
        return [{KEY_SCHEME: [needs.value]}]
    if needs is Need.OWN:
        return [{}, {KEY_SCHEME: ["admin"]}]
    config = get_config()
    open_to_all = (config.gallery if needs is Need.READING else config.uploads) == "public"
    return [{}, {KEY_SCHEME: ["predict"]}] if open_to_all else [{KEY_SCHEME: ["predict"]}]


# ---- small parts ----


def _outside(name: str) -> str:
    return NAMES.get(name, name)


def _stem(view: Any) -> str:
    return str(view.__module__).rpartition(".")[2]


def _module(app: Flask, rule: Rule) -> str:
    return _stem(app.view_functions[rule.endpoint]).capitalize()


def _sentence(app: Flask, rule: Rule) -> str:
    return (sys.modules[app.view_functions[rule.endpoint].__module__].__doc__ or "").partition(
        "\n"
    )[0]
