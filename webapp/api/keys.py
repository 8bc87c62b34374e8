"""Who may use the JSON door: `Authorization: Bearer <key>`, and what is open without one."""

from __future__ import annotations

from flask import Blueprint, g, request

from webapp.errors import LoginFailedError, NotAllowedError
from webapp.ext import get_config
from webapp.services import people
from webapp.services.jobs import Owner
from webapp.values import Who

PUBLIC = Who("API")


def guard(bp: Blueprint) -> None:
    """Read the key of every request to `bp`. A wrong key is an error even where none is needed."""
    bp.before_request(_read_key)


def need(scope: str) -> None:
    """Raise `LoginFailedError` without a key, `NotAllowedError` with one whose scope is too small."""
    key = g.get("api_key")
    if key is None:
        raise LoginFailedError(f"This call needs an API key with the scope {scope}: send the header Authorization: Bearer KEY.")
    if not people.allows(key, scope):
        raise NotAllowedError(f"This key has the scope {key.scope}; the call needs {scope}.")


def need_for_prediction() -> None:
    """A key, when uploads are not public on this server."""
    if get_config().uploads != "public":
        need("predict")


def need_for_reading() -> None:
    """A key, when the gallery is not public on this server."""
    if get_config().gallery != "public":
        need("predict")


def has(scope: str) -> bool:
    """True when the request carries a key with this scope."""
    key = g.get("api_key")
    return key is not None and people.allows(key, scope)


def who() -> Who:
    """The person for the label log: the name of the key."""
    key = g.get("api_key")
    return PUBLIC if key is None else Who(f"API key {key.name}")


def owner() -> Owner:
    """Who is behind the key, for jobs; without one, whoever has the id of a job that was put in without one."""
    key = g.get("api_key")
    return Owner("") if key is None else Owner(f"key:{key.id}", all=has("review"))


def _read_key() -> None:
    g.api_key = None
    header = request.headers.get("Authorization", "")
    if not header:
        return
    kind, _, text = header.partition(" ")
    if kind.lower() != "bearer":
        raise LoginFailedError("Send the key as Authorization: Bearer KEY.")
    g.api_key = people.find_key(text.strip())
    if g.api_key is None:
        raise LoginFailedError("This API key is unknown or was revoked.")
