"""Who may use the JSON API: `Authorization: Bearer <key>`, and what is open without one."""

from enum import Enum

from flask import Blueprint, g, request

from webapp.domain import Who
from webapp.errors import LoginFailedError, NotAllowedError
from webapp.extensions import get_config
from webapp.http.rate_limits import count_request, counts_by_key
from webapp.services.accounts import api_keys
from webapp.services.jobs.queue import Owner

_PUBLIC = Who("API")


class Need(Enum):
    """What a call needs: nothing, a key if a setting says so, its own rule, a key of a scope."""

    NOTHING = "nothing"
    READING = "reading"
    PREDICTING = "predicting"
    OWN = "own"
    PREDICT = "predict"
    REVIEW = "review"
    ADMIN = "admin"

    @property
    def scope(self) -> str:
        """The scope that a key must have on this server, "" where none is needed."""
        if self in (Need.READING, Need.PREDICTING):
            config = get_config()
            setting = config.gallery if self is Need.READING else config.uploads
            return "" if setting == "public" else "predict"
        return self.value if self in SCOPES else ""


SCOPES = (Need.PREDICT, Need.REVIEW, Need.ADMIN)


def guard(bp: Blueprint) -> Blueprint:
    """Read the key of every request to `bp`. A wrong key is an error even where none is needed."""
    counts_by_key(bp)
    bp.before_request(_read_key)
    bp.teardown_request(_note_use)
    return bp


def check(needs: Need) -> None:
    """Raise `LoginFailedError` without the key that is needed, `NotAllowedError` when its scope is
    too small."""
    scope, key = needs.scope, g.get("api_key")
    if not scope:
        return
    if key is None:
        raise LoginFailedError(
            f"This call needs an API key with the scope {scope}: "
            "send the header Authorization: Bearer KEY."
        )
    if not api_keys.allows(key, scope):
        raise NotAllowedError(f"This key has the scope {key.scope}; the call needs {scope}.")


def has(scope: Need) -> bool:
    """True when the request carries a key with this scope."""
    key = g.get("api_key")
    return key is not None and api_keys.allows(key, scope.value)


def who() -> Who:
    """The person for the label log: the name of the key."""
    key = g.get("api_key")
    return _PUBLIC if key is None else Who(f"API key {key.name}")


def owner() -> Owner:
    """The owner of jobs: the key. A job that was added without one is open to all who know it."""
    key = g.get("api_key")
    return Owner("") if key is None else Owner(f"key:{key.id}", all=has(Need.REVIEW))


def _read_key() -> None:
    """Requests with a valid key count for the key, all others for the address."""
    g.api_key = None
    try:
        if header := request.headers.get("Authorization", ""):
            scheme, _, text = header.partition(" ")
            if scheme.lower() != "bearer":
                raise LoginFailedError("Send the key as Authorization: Bearer KEY.")
            g.api_key = api_keys.find_key(text.strip())
            if g.api_key is None:
                raise LoginFailedError("This API key is unknown or was revoked.")
            # Read now: after a failed write the row would be queried again.
            g.key_use = (g.api_key.id, g.api_key.last_used_at)
    finally:
        count_request(g.api_key.id if g.api_key else None)


def _note_use(_error: BaseException | None) -> None:
    if "key_use" in g:
        api_keys.note_use(*g.key_use)
