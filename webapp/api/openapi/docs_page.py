"""The page about the API: calls by tag, each with its fields, answers, and code to copy."""

import json
import re
from collections.abc import Iterator

from webapp.api.openapi.code_samples import body_example, code_samples
from webapp.api.openapi.document import FORM_TYPE, JSON_TYPE, KEY_SCHEME, Schema

_MAX_DEPTH = 3
_TYPE_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
_FORMAT_NAMES = {"date": "day", "date-time": "time", "binary": "file"}


def calls_by_tag(document: Schema, root: str) -> list[Schema]:
    """The tags of the document, each with its `calls`; `root` is the address of the server.

    A call is its operation with what the page shows beside it: the `scope` of the key that it takes
    ("" for none), `fields` of the form to try it out, the `body` to begin with, the `responses`.
    A field is a parameter of the document, or is written like one, with its type in words (`kind`);
    a field of JSON is `depth` steps inside of it.
    """
    schemas = document["components"]["schemas"]
    return [
        tag
        | {
            "calls": [
                operation | _call(method.upper(), path, operation, schemas, root)
                for path, methods in document["paths"].items()
                for method, operation in methods.items()
                if tag["name"] in operation["tags"]
            ]
        }
        for tag in document["tags"]
    ]


def _call(method: str, path: str, operation: Schema, schemas: Schema, root: str) -> Schema:
    content = operation.get("requestBody", {}).get("content", {})
    media = next(iter(content), "")
    schema = content[media]["schema"] if media else {}
    fields, body, body_fields = [*_parameters(operation)], "", []
    if media == FORM_TYPE:
        fields += [field | {"in": "form"} for field in _fields(schema, schemas)]
    elif media == JSON_TYPE:
        body = json.dumps(body_example(schema, schemas), indent=2, ensure_ascii=False)
        body_fields = [*_fields(schema, schemas)]
    in_path = any(field["in"] == "path" for field in fields)
    return {
        "method": method,
        "path": path,
        "scope": "".join(key[KEY_SCHEME][0] for key in operation["security"] if key),
        "needs_key": {} not in operation["security"],
        "works_without_script": not body and method in ("GET", "POST") and not in_path,
        "fields": fields,
        "media": media,
        "body": body,
        "body_fields": body_fields,
        "responses": [
            _response(status, response, schemas)
            for status, response in operation["responses"].items()
        ],
        "samples": code_samples(method, root.rstrip("/") + path, operation, schemas),
    }


def _parameters(operation: Schema) -> Iterator[Schema]:
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
        example = next(iter(schema.get("examples", ())), "")
        yield parameter | {"kind": _type_name(schema), "choices": choices, "example": example}


def _response(status: str, response: Schema, schemas: Schema) -> Schema:
    content, ok = response.get("content", {}), status < "400"
    shapes = [media["schema"] for media in content.values() if "schema" in media and ok]
    fields = [*_fields(shapes[0], schemas)] if shapes else []
    return response | {"status": status, "ok": ok, "fields": fields}


# ---- schemas in words ----


def _fields(schema: Schema, schemas: Schema) -> Iterator[Schema]:
    """The fields of a component, those of the components in it behind them, each once."""
    shown: set[str] = set()

    def walk(schema: Schema, depth: int) -> Iterator[Schema]:
        for name in _components(schema):
            if name in shown:
                continue
            shown.add(name)
            component = schemas[name]
            for field, inner in component.get("properties", {}).items():
                yield {
                    "name": field,
                    "kind": _type_name(inner),
                    "description": inner.get("description", ""),
                    "depth": depth,
                    "required": field in component.get("required", ()),
                }
                if depth < _MAX_DEPTH:
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
    if schema.get("format") in _FORMAT_NAMES:
        return _FORMAT_NAMES[schema["format"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    span = "" if low is None else f", from {low}" if high is None else f", {low} to {high:,}"
    return _TYPE_NAMES.get(schema.get("type", ""), "anything") + span


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
