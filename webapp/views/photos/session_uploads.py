"""What this browser has sent: kept in its session cookie, so that a visitor finds and deletes their own photos without an account."""

import secrets

from flask import session

KEPT = 30
"""Photos remembered; a cookie holds 4 KB, and these take about half of it."""
NAME = "sent"
BROWSER = "browser"


def remember(public_id: str, token: str) -> None:
    """Keep the delete token of a photo just sent. A photo that was known already has none; a token kept earlier stays."""
    token = token or token_of(public_id)
    others = [pair for pair in _pairs() if pair[0] != public_id]
    session[NAME] = [*others, [public_id, token]][-KEPT:]


def token_of(public_id: str) -> str:
    """The delete token of a photo that this browser stored, else ""."""
    return next((token for known, token in _pairs() if known == public_id), "")


def was_sent(public_id: str) -> bool:
    """True when this browser sent the photo, be it stored then or known already."""
    return any(known == public_id for known, _token in _pairs())


def browser() -> str:
    """What names this browser as the one that put in a job, "" when it has put in none."""
    return str(session.get(BROWSER, ""))


def owner_id() -> str:
    """The same as the owner of jobs is called, "" when this browser has put in none."""
    return f"browser:{browser()}" if browser() else ""


def name_browser() -> str:
    """What names this browser, made up on first need."""
    if BROWSER not in session:
        session[BROWSER] = secrets.token_urlsafe(12)
    return browser()


def _pairs() -> list[list[str]]:
    return list(session.get(NAME, []))
