"""Each JSON answer in a test is compared with what the OpenAPI document promises of its call."""

from __future__ import annotations

import json
from functools import cache
from threading import Lock

from flask import Flask, Response, request
from pydantic import TypeAdapter

from webapp.api.openapi.calls import Call, Content
from webapp.api.openapi.document import PROBLEM_TYPE, has_tag, statuses_of
from webapp.api.problems import ProblemJson


def hold_to_the_document(app: Flask) -> None:
    """Fail a test when an answer's status, media type or fields are not in the document."""

    @app.after_request
    def check(response: Response) -> Response:
        call = getattr(app.view_functions.get(request.endpoint or ""), "call", None)
        if call is not None and request.method == call.method:
            promised(call, response)
        return response


def promised(call: Call, response: Response) -> None:
    """Raise `AssertionError` unless the call promises this answer."""
    status = response.status_code
    assert request.url_rule is not None
    if status == 304 and has_tag(request.url_rule, call):
        return
    assert status in call.answers or status in statuses_of(request.url_rule, call), (
        f"{request.method} {request.path}: {status}"
    )
    shape = call.answers.get(status, ProblemJson)
    if response.mimetype == PROBLEM_TYPE:
        shape = ProblemJson
    elif isinstance(shape, Content):
        assert response.content_type in shape.types
        return
    elif shape is None:
        assert not response.data
        return
    fits(shape, response.get_data(as_text=True))


def fits(shape: object, text: str) -> None:
    """Raise unless the JSON has exactly this shape: no field missing, more, or of another type."""
    with _BUILDING:
        adapter = _adapter_of(shape)
    answer = adapter.validate_json(text, strict=True)
    assert adapter.dump_python(answer, mode="json") == json.loads(text)


_BUILDING = Lock()  # pydantic cannot build the adapters of one shape in two threads at a time
_adapter_of = cache(TypeAdapter)
