"""The one error shape of the JSON door: problem+json, RFC 9457."""

from __future__ import annotations

import json
from http import HTTPStatus

from flask import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from webapp.delivery import retry_after, status_of
from webapp.errors import LoginFailedError, MarqueError

SENTENCES = {
    400: "The request could not be read. Check its form against the documentation.",
    404: "There is nothing at this address. /api/v1/photos and /api/v1/models are good places to start.",
    413: "The request is too large. Nothing was stored: send fewer or smaller photos.",
    500: "Something went wrong on the server. Nothing of this request was stored; the server's log has the details.",
}


def problem(status: int, detail: str, *, extra: dict[str, str] | None = None) -> Response:
    """A problem+json answer: `title` is the status in words, `detail` the sentence for a person."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(json.dumps(body, ensure_ascii=False) + "\n", status, extra, content_type="application/problem+json")


def answer(error: Exception) -> Response:
    """The problem for an error of ours or of HTTP."""
    if isinstance(error, MarqueError):
        headers = {}
        wait = retry_after(error)
        if wait is not None:
            headers["Retry-After"] = str(wait)
        if isinstance(error, LoginFailedError):
            headers["WWW-Authenticate"] = 'Bearer realm="marque"'
        return problem(status_of(error), str(error), extra=headers)
    if isinstance(error, HTTPException):
        status = error.code or 500
        headers = {}
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers["Allow"] = ", ".join(sorted(error.valid_methods))
            return problem(405, f"This address takes {headers['Allow']}.", extra=headers)
        return problem(status, SENTENCES.get(status, HTTPStatus(status).description or HTTPStatus(status).phrase))
    return problem(500, SENTENCES[500])
