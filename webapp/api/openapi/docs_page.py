"""The page about the API: calls by tag, each with its fields, answers, and code to copy."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from webapp.api.openapi.code_samples import body_example, code_samples, example_of
from webapp.api.openapi.document import FORM_TYPE, JSON_TYPE, KEY_SCHEME, Schema

MAX_DEPTH = 3
TYPE_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
FORMAT_NAMES = {"date": "day", "date-time": "time", "binary": "file"}


@dataclass(frozen=True)
class _FieldDoc:
    """A parameter, a field of a form, or a field of JSON, `depth` steps inside of it.

    `place` is path, query, header or form.
    """

    name: str
    kind: str
    about: str
    place: str = ""
    depth: int = 0
    required: bool = False
    choices: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class _ResponseDoc:
    """One status: what it means, and the fields of its JSON or its media types."""

    status: str
    about: str
    fields: list[_FieldDoc]
    types: list[str]
    ok: bool


@dataclass(frozen=True)
class _CallDoc:
    """One call.

    `scope` is that of the key that it takes, "" for none; `required` tells whether it must come.
    `body` is JSON to begin with, `body_fields` what a body may hold.
    """

    id: str
    method: str
    path: str
    summary: str
    about: str
    scope: str
    required: bool
    fields: list[_FieldDoc]
    media: str
    body: str
    body_fields: list[_FieldDoc]
    responses: list[_ResponseDoc]
    samples: dict[str, str]

    @property
    def plain(self) -> bool:
        """True when a form without any script can send it."""
        in_path = any(field.place == "path" for field in self.fields)
        return not self.body and self.method in ("GET", "POST") and not in_path


def calls_by_tag(document: Schema, root: str) -> list[tuple[str, str, list[_CallDoc]]]:
    """Name, description and calls of each tag; `root` is the address of the server."""
    return [
        (
            tag["name"],
            tag["description"],
            [
                _call(method, path, operation, document["components"]["schemas"], root)
                for path, methods in document["paths"].items()
                for method, operation in methods.items()
                if tag["name"] in operation["tags"]
            ],
        )
        for tag in document["tags"]
    ]


def _call(method: str, path: str, operation: Schema, schemas: Schema, root: str) -> _CallDoc:
    content = operation.get("requestBody", {}).get("content", {})
    media = next(iter(content), "")
    schema = content[media]["schema"] if media else {}
    fields, body, body_fields = [*_parameters(operation)], "", []
    if media == FORM_TYPE:
        fields += _fields(schema, schemas, place="form", max_depth=0)
    elif media == JSON_TYPE:
        body = json.dumps(body_example(schema, schemas), indent=2, ensure_ascii=False)
        body_fields = [*_fields(schema, schemas)]
    return _CallDoc(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=operation.get("description", ""),
        scope="".join(key[KEY_SCHEME][0] for key in operation["security"] if key),
        required={} not in operation["security"],
        fields=fields,
        media=media,
        body=body,
        body_fields=body_fields,
        responses=[
            _response(status, response, schemas)
            for status, response in operation["responses"].items()
        ],
        samples=code_samples(example_of(method, path, operation, schemas, root)),
    )


def _parameters(operation: Schema) -> Iterator[_FieldDoc]:
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        yield _FieldDoc(
            parameter["name"],
            _type_name(schema),
            parameter.get("description", ""),
            place=parameter["in"],
            required=parameter["required"],
            choices=tuple(schema.get("enum", [schema["const"]] if "const" in schema else [])),
            example=str(next(iter(schema.get("examples", ())), "")),
        )


def _response(status: str, response: Schema, schemas: Schema) -> _ResponseDoc:
    content, ok = response.get("content", {}), status < "400"
    schema: Schema = next(
        (media["schema"] for media in content.values() if "schema" in media and ok), {}
    )
    fields = [*_fields(schema, schemas)]
    return _ResponseDoc(status, response["description"], fields, list(content), ok)


# ---- schemas in words ----


def _fields(
    schema: Schema, schemas: Schema, *, place: str = "", max_depth: int = MAX_DEPTH
) -> Iterator[_FieldDoc]:
    """The fields of a component, those of the components in it behind them, each once."""
    shown: set[str] = set()

    def walk(schema: Schema, depth: int) -> Iterator[_FieldDoc]:
        for name in _components(schema):
            if name in shown:
                continue
            shown.add(name)
            component = schemas[name]
            for field, inner in component.get("properties", {}).items():
                required = field in component.get("required", ())
                about = inner.get("description", "")
                yield _FieldDoc(field, _type_name(inner), about, place, depth, required)
                if depth < max_depth:
                    yield from walk(inner, depth + 1)

    return walk(schema, 0)


def _components(schema: Schema) -> list[str]:
    """The components that a schema may be, or may be a list of."""
    if "$ref" in schema:
        return [_name(schema)]
    if "anyOf" in schema:
        return [name for choice in schema["anyOf"] for name in _components(choice)]
    return _components(schema["items"]) if "items" in schema else []


def _type_name(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_type_name, schema["anyOf"]))
    if "$ref" in schema:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _name(schema)).lower()
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema.get("type") == "array":
        items = schema["items"]
        return "files" if items.get("format") == "binary" else f"list of {_type_name(items)}"
    if schema.get("format") in FORMAT_NAMES:
        return FORMAT_NAMES[schema["format"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    span = "" if low is None else f", from {low}" if high is None else f", {low} to {high:,}"
    return TYPE_NAMES.get(schema.get("type", ""), "anything") + span


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
