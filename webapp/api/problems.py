"""The one error shape of the JSON door: problem+json, RFC 9457."""

import json
from collections.abc import Iterable
from http import HTTPStatus

from flask import Response
from werkzeug.exceptions import HTTPException

from webapp.api.schemas.responses import Problem
from webapp.errors import InvalidFieldsError, LoginFailedError, MarqueError
from webapp.http.responses import headers_of

SENTENCES = {
    400: "The request could not be read. Check its form against the documentation.",
    404: "There is nothing at this address. /api/v1/photos and /api/v1/models are good places to start.",
    413: "The request is too large. Nothing was stored: send fewer or smaller photos.",
    416: "There is no such part of it. Content-Range says how many bytes there are.",
    500: "Something went wrong on the server. Nothing of this request was stored; the server's log has the details.",
}


def problem(
    status: int,
    detail: str,
    *,
    extra: dict[str, str] | None = None,
    faults: Iterable[tuple[str, str]] = (),
) -> Response:
    """A problem+json answer: `title` is the status in words, `detail` the sentence for a person, `faults` become its `errors`."""
    body: Problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if faults:
        body["errors"] = [{"where": where, "what": what} for where, what in faults]
    return Response(
        json.dumps(body, ensure_ascii=False) + "\n",
        status,
        extra,
        content_type="application/problem+json",
    )


def answer(error: Exception) -> Response:
    """The problem for an error of ours or of HTTP."""
    headers = headers_of(error)
    if isinstance(error, MarqueError):
        if isinstance(error, LoginFailedError):
            headers["WWW-Authenticate"] = 'Bearer realm="marque"'
        faults = error.faults if isinstance(error, InvalidFieldsError) else []
        return problem(error.status, str(error), extra=headers, faults=faults)
    if isinstance(error, HTTPException):
        status = error.code or 500
        if "Allow" in headers:
            return problem(status, f"This address takes {headers['Allow']}.", extra=headers)
        return problem(
            status,
            SENTENCES.get(status, HTTPStatus(status).description or HTTPStatus(status).phrase),
            extra=headers,
        )
    return problem(500, SENTENCES[500])
