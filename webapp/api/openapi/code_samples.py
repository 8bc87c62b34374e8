"""Each call as a line for curl and a few lines of Python and JavaScript, made from the OpenAPI document."""

import json
import shlex
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

KEY = "KEY"
JSON_TYPE = "application/json"
FORM_TYPE = "multipart/form-data"
LINE = 80


@dataclass(frozen=True)
class Example:
    """A request as somebody would send it: `body` is JSON, `file` the name of the form's field for a file, `name` what to save as."""

    method: str
    url: str
    params: dict[str, str] = field(default_factory=dict)
    key: bool = False
    body: Any = None
    file: str = ""
    name: str = ""

    @property
    def address(self) -> str:
        """The URL with its parameters."""
        return f"{self.url}?{urlencode(self.params)}" if self.params else self.url


def samples(example: Example) -> dict[str, str]:
    """The code by language."""
    return {"curl": curl(example), "Python": python(example), "JavaScript": javascript(example)}


def curl(example: Example) -> str:
    """One command."""
    parts = ["curl"]
    if example.method != "GET" and not example.file:
        parts.append(f"-X {example.method}")
    if example.key:
        parts.append(f"-H 'Authorization: Bearer {KEY}'")
    if example.body is not None:
        parts += [f"-H 'Content-Type: {JSON_TYPE}'", f"-d {shlex.quote(json.dumps(example.body))}"]
    if example.file:
        parts.append(f"-F {example.file}=@photo.jpg")
    if example.name:
        parts.append(f"-o {example.name}")
    parts.append(shlex.quote(example.address))
    whole = " ".join(parts)
    return whole if len(whole) <= LINE else " \\\n  ".join(parts)


def python(example: Example) -> str:
    """With the library requests."""
    arguments = [json.dumps(example.url)]
    if example.params:
        arguments.append(f"params={json.dumps(example.params)}")
    if example.file:
        arguments.append(f'files={{"{example.file}": open("photo.jpg", "rb")}}')
    if example.body is not None:
        arguments.append(f"json={example.body!r}")
    if example.key:
        arguments.append(f'headers={{"Authorization": "Bearer {KEY}"}}')
    result = (
        f'open("{example.name}", "wb").write(answer.content)'
        if example.name
        else "print(answer.status_code, answer.text)"
    )
    return f"import requests\n\nanswer = requests.{example.method.lower()}({', '.join(arguments)})\n{result}"


def javascript(example: Example) -> str:
    """With fetch, in a browser or in Node."""
    lines, options = [], []
    if example.method != "GET":
        options.append(f'method: "{example.method}"')
    headers = {
        **({"Authorization": f"Bearer {KEY}"} if example.key else {}),
        **({"Content-Type": JSON_TYPE} if example.body is not None else {}),
    }
    if headers:
        options.append(f"headers: {json.dumps(headers)}")
    if example.body is not None:
        options.append(f"body: JSON.stringify({json.dumps(example.body, ensure_ascii=False)})")
    if example.file:
        lines += [
            "const form = new FormData();",
            f'form.append("{example.file}", fileInput.files[0]);',
        ]
        options.append("body: form")
    wanted = "await answer.blob()" if example.name else "answer.status, await answer.text()"
    rest = f", {{ {', '.join(options)} }}" if options else ""
    return "\n".join(
        [
            *lines,
            f"const answer = await fetch({json.dumps(example.address)}{rest});",
            f"console.log({wanted});",
        ]
    )


def example_of(
    method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any], root: str
) -> Example:
    """A request that a call would take, with the examples of its document; `root` is the address of the server."""
    parameters = operation.get("parameters", [])
    parts = {one["name"]: _value(one["schema"]) for one in parameters if one["in"] == "path"}
    media = (operation.get("requestBody") or {}).get("content", {})
    return Example(
        method.upper(),
        root.rstrip("/")
        + path.format(**{name: quote(value, safe="") for name, value in parts.items()}),
        params={
            one["name"]: _value(one["schema"])
            for one in parameters
            if one["in"] == "query" and one["required"]
        },
        key={} not in operation.get("security", [{}]) and bool(operation["security"]),
        body=body_example(media[JSON_TYPE]["schema"], schemas) if JSON_TYPE in media else None,
        file="file" if FORM_TYPE in media else "",
        name=_save_as(operation),
    )


def body_example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The first example of a JSON body."""
    name = schema["$ref"].rpartition("/")[2]
    return next(iter(schemas[name].get("examples", [])), {})


def _value(schema: dict[str, Any]) -> str:
    return str(next(iter(schema.get("examples", [])), schema.get("minimum", "ID")))


def _save_as(operation: dict[str, Any]) -> str:
    """The name of a file for answers that are none of JSON and text."""
    media = operation["responses"].get("200", {}).get("content", {})
    first = next(iter(media), JSON_TYPE)
    kind = first.partition(";")[0]
    endings = {
        "image/jpeg": "photo.jpg",
        "image/png": "heatmap.png",
        "application/jsonl": "photos.jsonl",
    }
    return endings.get(kind, "")
