"""The calls of the JSON door: what each takes, needs and answers is said once, where it is written.

`call` checks requests by that, and `webapp.api.openapi.document` makes the document of it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial, wraps
from types import SimpleNamespace, UnionType
from typing import Any, get_args, get_type_hints

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from webapp.api.authentication import need, need_for_prediction, need_for_reading
from webapp.api.openapi.validation_errors import invalid
from webapp.api.request_files import read_files
from webapp.api.schemas.requests import Form, Question
from webapp.errors import BadRequestError, MarqueError

MAX_JSON = 1024 * 1024
"""Bytes of a JSON body: more than thrice what the longest list of ids has."""


class Need(Enum):
    """What a call asks of its caller: nothing at all, what a setting says, its own rule (the docstring of the call tells it), a key
    of a scope."""

    NOTHING = "nothing"
    READING = "reading"
    PREDICTING = "predicting"
    OWN = "own"
    PREDICT = "predict"
    REVIEW = "review"
    ADMIN = "admin"


CHECKS: dict[Need, Callable[[], None]] = {
    Need.READING: need_for_reading,
    Need.PREDICTING: need_for_prediction,
    Need.PREDICT: partial(need, "predict"),
    Need.REVIEW: partial(need, "review"),
    Need.ADMIN: partial(need, "admin"),
}


@dataclass(frozen=True)
class Content:
    """An answer that is not JSON: its media types, and headers worth knowing with what they say."""

    types: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """What is known about a call. `takes` are its path parameters, and under `query`, `body` and `form` its questions; with both a body and
    a form either may come. `headers` are request headers that mean something, with what they do.

    `answers` maps statuses to the shape of the JSON (a type), a `Content`, or None for an empty answer. `errors` are the errors of ours
    that it may raise, beside those that every call may.
    """

    method: str
    needs: Need
    takes: Mapping[str, Any]
    answers: Mapping[int, Any]
    errors: tuple[type[MarqueError], ...]
    headers: Mapping[str, str]


def call(
    bp: Blueprint,
    method: str,
    rule: str,
    *,
    needs: Need,
    answers: Mapping[int, Any],
    errors: Iterable[type[MarqueError]] = (),
    headers: Mapping[str, str] | None = None,
    strict_slashes: bool = True,
) -> Callable[[Callable[..., ResponseReturnValue]], Callable[..., ResponseReturnValue]]:
    """Make a function a call of the JSON door. Its arguments `query`, `body` and `form` are read from the request and checked.

    Of `body` and `form`, where it has both, one is None: that which did not come. A slash at the end makes another address when
    `strict_slashes`. Whoever may not call is told so before anything is read. Raises `InvalidFieldsError` with everything that is wrong.
    """

    def decorate(view: Callable[..., ResponseReturnValue]) -> Callable[..., ResponseReturnValue]:
        takes = _arguments(view)

        @wraps(view)
        def answer(**path: Any) -> ResponseReturnValue:
            if needs in CHECKS:
                CHECKS[needs]()
            return view(**path, **_asked(takes))

        answer.call = Call(method, needs, takes, answers, tuple(errors), headers or {})  # type: ignore[attr-defined]
        bp.add_url_rule(
            rule, view.__name__, answer, methods=[method], strict_slashes=strict_slashes
        )
        return answer

    return decorate


def _arguments(view: Callable[..., ResponseReturnValue]) -> dict[str, Any]:
    """The types of a function's arguments, without their None. That of its answer is left alone: it names types that are not loaded."""
    named = {name: kind for name, kind in view.__annotations__.items() if name != "return"}
    found = get_type_hints(
        SimpleNamespace(__annotations__=named), globalns=view.__globals__, include_extras=True
    )
    return {
        name: get_args(kind)[0] if isinstance(kind, UnionType) else kind
        for name, kind in found.items()
    }


# ---- reading ----


def _asked(takes: Mapping[str, Any]) -> dict[str, Question | None]:
    """What was asked, by the name of the argument."""
    absent = (
        ("body" if request.mimetype == "multipart/form-data" else "form")
        if {"body", "form"} <= takes.keys()
        else ""
    )
    return {
        name: None if name == absent else read(takes[name])
        for name, read in READERS.items()
        if name in takes
    }


def _query(kind: type[Question]) -> Question:
    """The parameters of the address. An empty one is as good as none."""
    given = {name: value for name, value in request.args.items() if value}
    try:
        return kind.model_validate_strings(given, strict=True)
    except ValidationError as error:
        raise invalid("query", error) from error


def _body(kind: type[Question]) -> Question:
    """The JSON body; none at all is as good as `{}`."""
    request.max_content_length = MAX_JSON
    content = request.get_data() or b"{}"
    if not request.is_json and content != b"{}":
        raise BadRequestError(
            "The body must be JSON: send it with the header Content-Type: application/json."
        )
    try:
        return kind.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise invalid("body", error) from error


def _form(kind: type[Form]) -> Form:
    """The fields of a multipart form, with the files that it must carry."""
    given: dict[str, Any] = {name: read_files(name) for name in kind.files}
    given |= {
        name: text for name in kind.model_fields if (text := request.form.get(name, "").strip())
    }
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid("form", error) from error


READERS: dict[str, Callable[[Any], Question]] = {"query": _query, "body": _body, "form": _form}
