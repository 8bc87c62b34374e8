"""The one error shape of the JSON API: problem+json, RFC 9457."""

import json
from http import HTTPStatus
from typing import NotRequired

from flask import Response
from werkzeug.exceptions import HTTPException

from webapp.api.schemas.base import JsonShape
from webapp.errors import InvalidFieldsError, LoginFailedError, MarqueError
from webapp.http.responses import headers_of

_SENTENCES = {
    400: "The request could not be read. Check its form against the documentation.",
    404: "There is nothing at this address. "
    "/api/v1/photos and /api/v1/models are good places to start.",
    413: "The request is too large. Nothing was stored: send fewer or smaller photos.",
    416: "There is no such part of it. Content-Range says how many bytes there are.",
    500: "Something went wrong on the server. Nothing of this request was stored; "
    "the server's log has the details.",
}


class _FieldErrorJson(JsonShape):
    """One part of a request that cannot be used."""

    where: str
    """The part: `query.limit`, `body.label`, `form.file`."""
    what: str
    """What is wrong with it."""


class ProblemJson(JsonShape):
    """An error (RFC 9457)."""

    type: str
    """Always `about:blank`: the status says what kind of error it is."""
    title: str
    """The status in words."""
    status: int
    detail: str
    """A sentence for a person: what happened, what was kept, what to do."""
    errors: NotRequired[list[_FieldErrorJson]]
    """Every part of the request that has the wrong type or is not known."""


def answer(error: Exception) -> Response:
    """The problem for an error of ours or of HTTP: `detail` is the sentence for a person."""
    headers, field_errors = headers_of(error), []
    if isinstance(error, LoginFailedError):
        headers["WWW-Authenticate"] = 'Bearer realm="marque"'
    if isinstance(error, InvalidFieldsError):
        field_errors = error.faults
    if isinstance(error, MarqueError):
        status, detail = error.status, str(error)
    else:
        status = (error.code if isinstance(error, HTTPException) else None) or 500
        standard = HTTPStatus(status)
        detail = _SENTENCES.get(status, standard.description or standard.phrase)
        if "Allow" in headers:
            detail = f"This address takes {headers['Allow']}."
    body: ProblemJson = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if field_errors:
        body["errors"] = [{"where": where, "what": what} for where, what in field_errors]
    text = json.dumps(body, ensure_ascii=False) + "\n"
    return Response(text, status, headers, content_type="application/problem+json")
