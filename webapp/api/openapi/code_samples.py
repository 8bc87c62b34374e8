"""Each call as a line for curl and a few lines of Python and JavaScript."""

import json
import shlex
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from webapp.api.openapi.document import FORM_TYPE, JSON_TYPE, Schema

_LINE = 80
_SAVED_AS = {
    "image/jpeg": "photo.jpg",
    "image/png": "heatmap.png",
    "application/jsonl": "photos.jsonl",
}  # the name of a file for answers that are neither JSON nor text


@dataclass(frozen=True)
class _CodeExample:
    """A request: `body` is JSON, `file` a field for a file, `name` what to save the answer as."""

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


def _curl(example: _CodeExample) -> str:
    """One command."""
    parts = ["curl"]
    if example.method != "GET" and not example.file:
        parts.append(f"-X {example.method}")
    if example.key:
        parts.append("-H 'Authorization: Bearer KEY'")
    if example.body is not None:
        parts += [f"-H 'Content-Type: {JSON_TYPE}'", f"-d {shlex.quote(json.dumps(example.body))}"]
    if example.file:
        parts.append(f"-F {example.file}=@photo.jpg")
    if example.name:
        parts.append(f"-o {example.name}")
    parts.append(shlex.quote(example.address))
    command = " ".join(parts)
    return command if len(command) <= _LINE else " \\\n  ".join(parts)


def _python(example: _CodeExample) -> str:
    """With the library requests."""
    arguments = [json.dumps(example.url)]
    if example.params:
        arguments.append(f"params={json.dumps(example.params)}")
    if example.file:
        arguments.append(f'files={{"{example.file}": open("photo.jpg", "rb")}}')
    if example.body is not None:
        arguments.append(f"json={example.body!r}")
    if example.key:
        arguments.append('headers={"Authorization": "Bearer KEY"}')
    result = "print(answer.status_code, answer.text)"
    if example.name:
        result = f'open("{example.name}", "wb").write(answer.content)'
    call = f"answer = requests.{example.method.lower()}({', '.join(arguments)})"
    return f"import requests\n\n{call}\n{result}"


def _javascript(example: _CodeExample) -> str:
    """With fetch, in a browser or in Node."""
    lines, options, headers = [], [], {}
    if example.method != "GET":
        options.append(f'method: "{example.method}"')
    if example.key:
        headers["Authorization"] = "Bearer KEY"
    if example.body is not None:
        headers["Content-Type"] = JSON_TYPE
    if headers:
        options.append(f"headers: {json.dumps(headers)}")
    if example.body is not None:
        options.append(f"body: JSON.stringify({json.dumps(example.body, ensure_ascii=False)})")
    if example.file:
        lines.append("const form = new FormData();")
        lines.append(f'form.append("{example.file}", fileInput.files[0]);')
        options.append("body: form")
    result = "await answer.blob()" if example.name else "answer.status, await answer.text()"
    rest = f", {{ {', '.join(options)} }}" if options else ""
    lines.append(f"const answer = await fetch({json.dumps(example.address)}{rest});")
    return "\n".join([*lines, f"console.log({result});"])


def code_samples(method: str, url: str, operation: Schema, schemas: Schema) -> dict[str, str]:
    """The code for a call by language, with the examples of its document.

    Args:
        url: The server's address with that of the call, its parameters in braces.
    """
    places: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", []):
        if parameter["required"]:
            schema = parameter["schema"]
            value = next(iter(schema.get("examples", [])), schema.get("minimum", "ID"))
            places[parameter["in"]][parameter["name"]] = str(value)
    media = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"].get("200", {}).get("content", {})
    example = _CodeExample(
        method,
        url.format(**{name: quote(value, safe="") for name, value in places["path"].items()}),
        params=places["query"],
        key=bool(operation["security"]) and {} not in operation["security"],
        body=body_example(media[JSON_TYPE]["schema"], schemas) if JSON_TYPE in media else None,
        file="file" if FORM_TYPE in media else "",
        name=_SAVED_AS.get(next(iter(answers), "").partition(";")[0], ""),
    )
    return {"curl": _curl(example), "Python": _python(example), "JavaScript": _javascript(example)}


def body_example(schema: Schema, schemas: Schema) -> Any:
    """The first example of a JSON body."""
    component = schemas[schema["$ref"].rpartition("/")[2]]
    return next(iter(component.get("examples", [])), {})
