"""Errors as pages: what happened, what was kept, one next step."""

from flask import Response, current_app, jsonify, make_response, render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from webapp.errors import MarqueError
from webapp.http.messages import wants_json
from webapp.http.responses import headers_of

TITLES = {
    400: "That was not understood.",
    401: "Log in first.",
    403: "Not for everybody.",
    404: "There is no page here.",
    405: "Not like this.",
    409: "Too late.",
    410: "It is gone.",
    413: "Too large.",
    415: "Not a photo.",
    416: "No such part.",
    422: "That cannot be done.",
    429: "Slow down a little.",
    500: "Something broke.",
    503: "Not just now.",
    507: "The disk is full.",
}
_SENTENCES = {
    400: "The request was not complete, or came from a page that was open too long. "
    "Go back, load the page again, and send it once more.",
    401: "This needs a login. Nothing was changed.",
    403: "You may not do this with this login. Nothing was changed.",
    404: "The address may have been mistyped, or what stood here was deleted.",
    405: "This address takes another kind of request. Nothing was changed.",
    413: "What was sent is larger than this server takes at once. "
    "Nothing was stored: send fewer or smaller photos.",
    416: "The photo is shorter than the part that was asked for.",
    500: "The fault is ours, and it is in the server’s log. "
    "What was stored before is safe; try again.",
}
_CSRF_SENTENCE = (
    "This page was open too long, or the form came from elsewhere. "
    "Nothing was changed: load the page again and send it once more."
)
_STEPS = {
    401: ("login.form", "Log in"),
    413: ("upload.index", "Back to upload"),
    415: ("upload.index", "Back to upload"),
}
_WITHOUT_LAYOUT = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Something broke · Marque</title>"
    f"<h1>Something broke.</h1><p>{_SENTENCES[500]}</p></html>"
)


def answer(error: MarqueError | HTTPException) -> Response:
    """The page for an error, with its status; for the script the same sentence in JSON."""
    status = error.status if isinstance(error, MarqueError) else error.code or 500
    sentence = _sentence(error, status)
    response = jsonify(error=sentence) if wants_json() else _page(status, sentence)
    response.status_code = status
    response.headers.extend(headers_of(error))
    return response


def _sentence(error: MarqueError | HTTPException, status: int) -> str:
    if isinstance(error, MarqueError):
        return str(error)
    if isinstance(error, CSRFError):
        return _CSRF_SENTENCE
    if status == 401 and error.description != type(error).description:  # written for this case
        return str(error.description)
    return _SENTENCES.get(status, "Nothing was changed.")


def _page(status: int, sentence: str) -> Response:
    endpoint, step = _STEPS.get(status, ("gallery.index", "To the gallery"))
    title = TITLES.get(status, "That did not work.")
    values = {"title": title, "sentence": sentence, "endpoint": endpoint, "step": step}
    try:
        return make_response(render_template("operations/error.html", **values))
    except Exception:  # the layout asks the database who is logged in
        current_app.logger.exception("the error page could not be drawn")
        return make_response(_WITHOUT_LAYOUT)
