"""What the page about the API shows of its document: calls by subject, each with its fields, answers, and code to copy."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from webapp.api.openapi.code_samples import FORM_TYPE, JSON_TYPE, body_example, example_of, samples
from webapp.api.openapi.document import KEY_SCHEME, Json

DEEPEST = 3
WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}


@dataclass(frozen=True)
class Field:
    """A parameter, a field of a form, or a field of an answer, `depth` steps inside of it. `place` is path, query, header or form."""

    name: str
    kind: str
    about: str
    place: str = ""
    depth: int = 0
    required: bool = False
    choices: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class Answer:
    """One status: what it means, and the fields of its JSON or its media types."""

    status: str
    about: str
    fields: tuple[Field, ...]
    types: tuple[str, ...]

    @property
    def good(self) -> bool:
        """True when the call did what was asked."""
        return self.status < "400"


@dataclass(frozen=True)
class ShownCall:
    """One call. `needs` is the scope of the key that it needs, `may` that of one it takes, "" for none. `body` is JSON to begin with,
    `holds` what a body may hold."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    needs: str
    may: str
    fields: tuple[Field, ...]
    media: str
    body: str
    holds: tuple[Field, ...]
    answers: tuple[Answer, ...]
    samples: dict[str, str]

    @property
    def plain(self) -> bool:
        """True when a form without any script can send it."""
        return (
            not self.body
            and self.method in ("GET", "POST")
            and not any(one.place == "path" for one in self.fields)
        )


@dataclass(frozen=True)
class Subject:
    """Calls about one thing."""

    name: str
    about: str
    calls: tuple[ShownCall, ...]


def subjects(document: Json, root: str) -> list[Subject]:
    """Everything in the document, by subject; `root` is the address of the server, for the code to copy."""
    found = []
    for tag in document["tags"]:
        calls = tuple(
            _call(method, path, operation, document, root)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        )
        found.append(Subject(tag["name"], tag["description"], calls))
    return found


def _call(method: str, path: str, operation: Json, document: Json, root: str) -> ShownCall:
    schemas = document["components"]["schemas"]
    media, schema = next(
        (
            (kind, one["schema"])
            for kind, one in operation.get("requestBody", {}).get("content", {}).items()
        ),
        ("", {}),
    )
    scopes = [one[KEY_SCHEME][0] for one in operation["security"] if one]
    return ShownCall(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=operation.get("description", ""),
        needs="".join(scopes) if {} not in operation["security"] else "",
        may="".join(scopes) if {} in operation["security"] else "",
        fields=(*_parameters(operation), *(_form(schema, schemas) if media == FORM_TYPE else ())),
        media=media,
        body=json.dumps(body_example(schema, schemas), indent=2, ensure_ascii=False)
        if media == JSON_TYPE
        else "",
        holds=tuple(_fields(schema, schemas, deepest=DEEPEST)) if media == JSON_TYPE else (),
        answers=tuple(
            _answer(status, one, schemas) for status, one in operation["responses"].items()
        ),
        samples=samples(example_of(method, path, operation, schemas, root)),
    )


def _parameters(operation: Json) -> Iterator[Field]:
    for one in operation.get("parameters", []):
        schema = one["schema"]
        yield Field(
            one["name"],
            _kind(schema),
            one.get("description", ""),
            place=one["in"],
            required=one["required"],
            choices=tuple(schema.get("enum", [schema["const"]] if "const" in schema else [])),
            example=str(next(iter(schema.get("examples", ())), "")),
        )


def _form(schema: Json, schemas: Json) -> Iterator[Field]:
    for one in _fields(schema, schemas, deepest=0):
        yield Field(one.name, one.kind, one.about, place="form", required=one.required)


def _answer(status: str, response: Json, schemas: Json) -> Answer:
    content = response.get("content", {})
    shape: Json = (
        next((one["schema"] for one in content.values() if "schema" in one), {})
        if int(status) < 400
        else {}
    )
    return Answer(
        status,
        response["description"],
        tuple(_fields(shape, schemas, deepest=DEEPEST)),
        tuple(content),
    )


# ---- schemas in words ----


def _fields(
    schema: Json, schemas: Json, *, deepest: int, depth: int = 0, told: set[str] | None = None
) -> Iterator[Field]:
    """The fields of a shape, those of the shapes in it behind them, each shape once."""
    told = set() if told is None else told
    for shape in _shapes(schema):
        if shape in told:
            continue
        told.add(shape)
        for name, inner in schemas[shape].get("properties", {}).items():
            needed = name in schemas[shape].get("required", ())
            yield Field(name, _kind(inner, schemas), _about(inner), depth=depth, required=needed)
            if depth < deepest:
                yield from _fields(inner, schemas, deepest=deepest, depth=depth + 1, told=told)


def _shapes(schema: Json) -> list[str]:
    """The shapes that a schema may be, or may be a list of."""
    if "$ref" in schema:
        return [_name(schema)]
    if "anyOf" in schema:
        return [shape for one in schema["anyOf"] for shape in _shapes(one)]
    return _shapes(schema["items"]) if "items" in schema else []


def _kind(schema: Json, schemas: Json | None = None) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one, schemas) for one in schema["anyOf"])
    if "$ref" in schema:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _name(schema)).lower()
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema.get("type") == "array":
        return (
            "files"
            if schema["items"].get("format") == "binary"
            else f"list of {_kind(schema['items'], schemas)}"
        )
    if schema.get("format") in ("date", "date-time", "binary"):
        return {"date": "day", "date-time": "time", "binary": "file"}[schema["format"]]
    return WORDS.get(schema.get("type", ""), "anything") + _range(schema)


def _range(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high:,}"
    return f", from {low}" if low is not None else ""


def _about(schema: Json) -> str:
    return str(schema.get("description", ""))


def _name(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
