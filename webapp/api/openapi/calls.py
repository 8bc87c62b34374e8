"""API calls: what each needs, takes, answers and how it fails is said once, above its function.

`Call` checks requests by that, and `webapp.api.openapi.document` makes the document of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from types import UnionType
from typing import Any, get_args

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import RootModel, ValidationError
from pydantic_core import ErrorDetails

from webapp.api.authentication import Need, check
from webapp.api.schemas.base import ApiRequest, MultipartRequest
from webapp.errors import BadRequestError, InvalidFieldsError, MarqueError, NoFileError
from webapp.http.rate_limits import count_photos
from webapp.services.photos.classify import MAX_BYTES, Incoming

_MAX_JSON = 1024 * 1024  # bytes of a body: three times the longest list of ids
_MAX_ERRORS = 20  # of one request that are named
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text",
    "string_too_long": "has more than {max_length} characters",
    "string_pattern_mismatch": "is not written as it should be",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "too_short": "has too few entries: at least {min_length}",
    "too_long": "has too many entries: at most {max_length}",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "json_invalid": "is not JSON that can be read",
    "union_tag_not_found": "has no {discriminator}",
    "union_tag_invalid": "has a {discriminator} that is none of {expected_tags}",
    "value_error": "{error}",
}  # by pydantic's type of error; its own sentence for all others
_View = Callable[..., ResponseReturnValue]


@dataclass(frozen=True)
class Content:
    """An answer that is not JSON: its media types, and its headers with what they say."""

    types: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Call:
    """Makes a function a call: `@Call(bp, "GET /photos", Need.READING, {200: PhotoPageJson})`.

    The function's arguments `query`, `body` and `form` are read from the request and checked; of
    body and form, where it has both, the one that did not come is None. Who may not call is refused
    before anything is read. Everything that is wrong is named in one `InvalidFieldsError`.

    `answers` maps statuses to the shape of the JSON (a type), a `Content`, or None for an empty
    answer. `errors` may be raised beside those of every call. `headers` are request headers that
    mean something, with what they do. `takes` are the types of the function's arguments.
    """

    bp: Blueprint
    route: str
    needs: Need
    answers: Mapping[int, Any]
    errors: tuple[type[MarqueError], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = ""
    strict_slashes: bool = True
    takes: Mapping[str, Any] = field(init=False)

    def __call__(self, view: _View) -> _View:
        """The view behind its checks, registered at the blueprint."""
        self.takes = {
            name: get_args(kind)[0] if isinstance(kind, UnionType) else kind
            for name, kind in view.__annotations__.items()
            if name != "return"
        }

        @wraps(view)
        def checked_view(**path: Any) -> ResponseReturnValue:
            check(self.needs)
            return view(**path, **_read_arguments(self.takes))

        checked_view.call = self  # type: ignore[attr-defined]
        self.bp.add_url_rule(
            self.route.partition(" ")[2],
            self.endpoint or view.__name__,
            checked_view,
            methods=[self.method],
            strict_slashes=self.strict_slashes,
        )
        return checked_view

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.route.partition(" ")[0]


def _read_arguments(takes: Mapping[str, Any]) -> dict[str, ApiRequest | None]:
    """The parts of the request that a call takes, by name."""
    absent = ""
    if {"body", "form"} <= takes.keys():
        absent = "body" if request.mimetype == "multipart/form-data" else "form"
    arguments: dict[str, ApiRequest | None] = {}
    kinds = {"query": ApiRequest, **takes}  # a call without parameters refuses them, too
    for place, read in (("query", _read_query), ("body", _read_body), ("form", _read_form)):
        if kind := kinds.get(place):
            try:
                arguments[place] = None if place == absent else read(kind)
            except ValidationError as error:
                details = error.errors(include_url=False, include_input=False)[:_MAX_ERRORS]
                raise InvalidFieldsError([_fault(place, kind, each) for each in details]) from error
    return {name: value for name, value in arguments.items() if name in takes}


def _fault(place: str, kind: type, detail: ErrorDetails) -> tuple[str, str]:
    """Where something is wrong in a request, and what."""
    steps = detail["loc"]
    if issubclass(kind, RootModel):  # one of several bodies: the first step only says which
        steps = steps[1:]
    where = ".".join([place, *(str(step)[:80] for step in steps)])
    values = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in detail.get("ctx", {}).items()
    }
    return where, _SENTENCES.get(detail["type"], "{msg}").format(msg=detail["msg"], **values)


def _read_query(kind: type[ApiRequest]) -> ApiRequest:
    """The parameters of the address. An empty one counts as absent."""
    given = {name: value for name, value in request.args.items() if value}
    return kind.model_validate_strings(given, strict=True)


def _read_body(kind: type[ApiRequest]) -> ApiRequest:
    """The JSON body; none at all counts as `{}`."""
    request.max_content_length = _MAX_JSON
    content = request.get_data() or b"{}"
    if not request.is_json and content != b"{}":
        raise BadRequestError(
            "The body must be JSON: send it with the header Content-Type: application/json."
        )
    return kind.model_validate_json(content, strict=True)


def _read_form(kind: type[MultipartRequest]) -> MultipartRequest:
    """The fields of a multipart form, with the files that it must carry."""
    given: dict[str, Any] = {name: read_files(name) for name in kind.files}
    texts = {name: request.form.get(name, "").strip() for name in kind.model_fields}
    return kind.model_validate(given | {name: text for name, text in texts.items() if text})


def read_files(field: str) -> list[Incoming]:
    """The files of the form's `field`, each up to one byte more than a photo may have.

    Raises:
        NoFileError: The request is not a form or has no file in the field.
        TooManyRequestsError: The sender may not send this number of photos now.
    """
    example = f"in a field called {field}, for instance: curl -F {field}=@photo.jpg"
    if request.mimetype != "multipart/form-data":
        raise NoFileError(f"Send the photo as multipart/form-data {example}")
    uploads = [upload for upload in request.files.getlist(field) if upload.filename]
    if not uploads:
        raise NoFileError(f"The form has no file {example}")
    count_photos(len(uploads))
    incoming = []
    for upload in uploads:
        with upload.stream:
            incoming.append(Incoming(upload.filename or "", upload.read(MAX_BYTES + 1)))
    return incoming
