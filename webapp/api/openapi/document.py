"""The OpenAPI 3.1 document, made of the calls and of the shapes that requests and answers have."""

import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from werkzeug.routing import Rule

from webapp.api.authentication import SCOPES, Need
from webapp.api.openapi.calls import Call, Content
from webapp.api.problems import ProblemJson

Schema = dict[str, Any]

KEY_SCHEME = "key"
JSON_TYPE = "application/json"
FORM_TYPE = "multipart/form-data"
PROBLEM_TYPE = "application/problem+json"
_COMPONENT_NAMES = {
    "RankedLabel": "RankedLine",
    "UploadedPhoto": "SentPhoto",
    "UploadResult": "SentResult",
    "UploadResults": "SentResults",
    "Classified": "Said",
    "ClassifyResult": "SaidResult",
    "ClassifyResults": "SaidResults",
    "FieldError": "Fault",
    "Label": "SeenLabel",
    "Comparison": "Standing",
    "TrainingPhotos": "LearntPhotos",
}  # names that the first version of the document had, and that generated clients use
_MOUNT = "/api/v1/"
_WAIT_STATUSES = (429, 503)
_SENTENCES = {
    304: "The version named in `If-None-Match` is still current.",
    400: "The request cannot be read, or parts of it are wrong, missing or unknown: `errors` names "
    "each.",
    401: "A key is needed, or the one that was sent is unknown, expired or revoked.",
    403: "The scope of the key is too small.",
    404: "There is nothing at this address.",
    413: "The request is too large. Nothing was stored.",
    414: "The address is longer than 8,190 bytes: the HTTP server in front of Marque says so, and "
    "not in JSON.",
    416: "There is no such part of it: `Content-Range` says how many bytes there are.",
    429: "Too many requests. `Retry-After` says how many seconds to wait.",
    500: "A fault of the server. Nothing of this request was stored; the server's log has the "
    "details.",
    503: "The server is full, or what should answer cannot be used just now. `Retry-After` says "
    "how many seconds to wait.",
}
_ABOUT = """Upload a photo of a car, get its ranked classes with honest confidence, keep the
history, correct the ground truth.

Photos go in as `multipart/form-data` in a field called `file`; everything else is JSON. An error is
`application/problem+json` (RFC 9457): `title` is the status in words, `detail` a sentence that says
what happened and what to do. Later versions may add fields to answers, and never take one away.
"""
_KEY = """A key, made at `/admin/keys` or with `flask keys create NAME --scope
predict|review|admin`, sent as `Authorization: Bearer KEY`. Each scope includes those before it.
Reading and sending photos needs none where the server's settings leave them open."""


class _Schemas(GenerateJsonSchema):
    """Schemas whose components have the public names: `Photo` for `PhotoJson`."""

    def normalize_name(self, name: str) -> str:
        """The name of a component."""
        return _component_name(super().normalize_name(name))


def _component_name(name: str) -> str:
    name = name.removeprefix("_").removesuffix("Json")
    return _COMPONENT_NAMES.get(name, name)


def calls_of(app: Flask) -> Iterator[tuple[Rule, Call]]:
    """The calls of an app, with their addresses."""
    for rule in app.url_map.iter_rules():
        call = getattr(app.view_functions[rule.endpoint], "call", None)
        if call is not None:
            yield rule, call


def address_of(rule: Rule) -> str:
    """The address of a rule with its parameters in braces: `/api/v1/photos/{id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).replace("{public_id}", "{id}")


def make_document(app: Flask) -> Schema:
    """The document of all calls of an app; which of them need a key depends on its settings."""
    calls = list(calls_of(app))
    schemas, components = _schemas([call for _rule, call in calls])
    paths: dict[str, Schema] = {}
    tags = {}
    for rule, call in calls:
        view = app.view_functions[rule.endpoint]
        operation = _operation(view, rule, call, schemas)
        paths.setdefault(address_of(rule), {})[call.method.lower()] = operation
        about = (sys.modules[view.__module__].__doc__ or "").partition("\n")[0]
        tags[operation["tags"][0]] = about
    scheme = {"type": "http", "scheme": "bearer", "description": _KEY}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marque", "version": "1", "description": _ABOUT},
        "tags": [{"name": name, "description": about} for name, about in tags.items()],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {KEY_SCHEME: scheme}},
    }


def _schemas(calls: list[Call]) -> tuple[dict[Any, Schema], Schema]:
    """The schema of every type that a call takes in its body or answers, and the components."""
    types: list[Any] = [ProblemJson]
    for call in calls:
        types += [call.takes[name] for name in ("body", "form") if name in call.takes]
        types += [shape for shape in call.answers.values() if not isinstance(shape, Content)]
    adapters = [(kind, TypeAdapter(kind)) for kind in dict.fromkeys(types) if kind is not None]
    schemas, definitions = TypeAdapter.json_schemas(
        [(kind, "validation", adapter) for kind, adapter in adapters],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    components = _tidy(definitions.get("$defs", {}))
    for kind in types:
        for base in getattr(kind, "__orig_bases__", ()):
            _inherit_descriptions(components, kind, base)
    return {kind: _tidy(schema) for (kind, _mode), schema in schemas.items()}, components


def _inherit_descriptions(components: Schema, kind: Any, base: Any) -> None:
    """Describe inherited fields of an answer, which pydantic leaves out."""
    own, inherited = (components.get(_component_name(shape.__name__), {}) for shape in (kind, base))
    for name, field in inherited.get("properties", {}).items():
        if "description" in field:
            own["properties"][name].setdefault("description", field["description"])


def _tidy(node: Any) -> Any:
    """A schema without titles that only repeat a name, and without defaults of None."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _tidy(value)
        for name, value in node.items()
        if not (name == "title" and isinstance(value, str))
        and not (name == "default" and value is None)
    }


# ---- one call ----


def _operation(view: Any, rule: Rule, call: Call, schemas: Mapping[Any, Schema]) -> Schema:
    summary, _, rest = (getdoc(view) or "").partition("\n")
    noun, _, name = rule.endpoint.removeprefix("api_").partition(".")
    operation: Schema = {
        "operationId": f"{noun}_{name}",
        "tags": [noun.capitalize()],
        "summary": summary,
        "description": rest.strip(),
        "parameters": list(_parameters(rule, call)),
        "requestBody": _request_body(call, schemas),
        "responses": _responses(rule, call, schemas),
        "security": _security(call.needs),
    }
    return {name: value for name, value in operation.items() if value or name == "security"}


def _parameters(rule: Rule, call: Call) -> Iterator[Schema]:
    for name in re.findall(r"<(?:\w+:)?(\w+)>", rule.rule):
        schema = _tidy(TypeAdapter(call.takes[name]).json_schema())
        yield _parameter(name.removeprefix("public_"), "path", schema, required=True)
    if "query" in call.takes:
        query = _tidy(call.takes["query"].model_json_schema())
        for name, schema in query["properties"].items():
            required = name in query.get("required", ())
            parameter = _parameter(name, "query", schema, required=required)
            yield parameter | {"allowEmptyValue": not required}
    for name, about in call.headers.items():
        schema = {"type": "string", "description": about}
        yield _parameter(name, "header", schema, required=False)


def _parameter(name: str, place: str, schema: Schema, *, required: bool) -> Schema:
    parameter: Schema = {"name": name, "in": place, "required": required}
    if "description" in schema:
        parameter["description"] = schema["description"]
    rest = {key: value for key, value in schema.items() if key != "description"}
    return parameter | {"schema": rest}


def _request_body(call: Call, schemas: Mapping[Any, Schema]) -> Schema:
    media = {"form": FORM_TYPE, "body": JSON_TYPE}
    types: dict[str, type[BaseModel]] = {
        media[name]: call.takes[name] for name in media if name in call.takes
    }
    fields = [field for kind in types.values() for field in kind.model_fields.values()]
    content = {media: {"schema": schemas[kind]} for media, kind in types.items()}
    required = any(field.is_required() for field in fields)
    return {"required": required, "content": content} if content else {}


def _responses(rule: Rule, call: Call, schemas: Mapping[Any, Schema]) -> Schema:
    responses: Schema = {}
    for code, shape in call.answers.items():
        answer = responses[str(code)] = {"description": f"{HTTPStatus(code).phrase}."}
        if isinstance(shape, Content):
            answer["content"] = {media: {} for media in dict.fromkeys(shape.types)}
            if shape.headers:
                answer["headers"] = {
                    name: {"description": text, "schema": {"type": "string"}}
                    for name, text in shape.headers.items()
                }
        elif shape is not None:
            answer["content"] = {JSON_TYPE: {"schema": schemas[shape]}}
    problem = {PROBLEM_TYPE: {"schema": schemas[ProblemJson]}}
    seconds = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}
    for status, sentences in sorted(statuses_of(rule, call).items()):
        if str(status) not in responses:
            response = {"description": " ".join(sentences), "content": problem}
            if status in _WAIT_STATUSES:
                response["headers"] = {"Retry-After": seconds}
            responses[str(status)] = response
    if has_tag(rule, call):
        responses["304"] = {"description": _SENTENCES[304]}
    if "query" in call.takes:
        responses["414"] = {"description": _SENTENCES[414], "content": {"text/html": {}}}
    return responses


def has_tag(rule: Rule, call: Call) -> bool:
    """True when the answer has an `ETag`, and may be 304."""
    return call.method == "GET" and rule.rule.startswith(_MOUNT)


def statuses_of(rule: Rule, call: Call) -> dict[int, list[str]]:
    """The statuses of the errors that a call may answer, with sentences about each."""
    body, query = {"body", "form"} & call.takes.keys(), "query" in call.takes
    possible = {
        401: call.needs is not Need.NOTHING,
        403: call.needs in SCOPES,
        416: HTTPStatus.PARTIAL_CONTENT in call.answers,
        404: bool(rule.arguments),
        400: bool(query or body),
        413: bool(body),
        500: True,
        **dict.fromkeys(_WAIT_STATUSES, rule.rule.startswith(_MOUNT)),
    }
    statuses = {status: [_SENTENCES[status]] for status, applies in possible.items() if applies}
    for kind in call.errors:
        sentence = (kind.__doc__ or "").partition("\n")[0]
        statuses.setdefault(kind.status, []).append(sentence)
    return statuses


def _security(needs: Need) -> list[Schema]:
    if needs is Need.NOTHING:
        return []
    if needs.scope:
        return [{KEY_SCHEME: [needs.scope]}]
    return [{}, {KEY_SCHEME: ["admin" if needs is Need.OWN else "predict"]}]
