"""API keys: random text shown once, stored as a hash, with a scope and an optional end."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from webapp.errors import KeyNotFoundError, LoginFailedError, UserError
from webapp.storage import accounts as storage
from webapp.storage.database import db, writing
from webapp.storage.tables import ApiKey, now

SCOPES = ("predict", "review", "admin")
_MARK = "mq_"
_USE_NOTED_EVERY = timedelta(minutes=1)
_DAYS = {"d": 1, "w": 7, "y": 365}


def create_key(name: str, scope: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new API key and its text, which is readable this once.

    Each scope includes those before it; without `expires_at` the key never expires.
    Raises `UserError`.
    """
    if scope not in SCOPES:
        raise UserError(f"A scope is {', '.join(SCOPES)}, not {scope!r}.")
    if not 1 <= len(name.strip()) <= 80:
        raise UserError("A key has a name of 1 to 80 characters: who or what uses it.")
    text = _MARK + secrets.token_urlsafe(32)
    key = ApiKey(name=name.strip(), prefix=text[:10], sha256=_digest(text))
    key.scope, key.expires_at = scope, expires_at
    with writing():
        db.session.add(key)
    return key, text


def parse_expiry(text: str) -> datetime | None:
    """When a key ends: "2027-01-31" (the end of that day in UTC), "90d", "12w" or "2y", "" for
    never.

    Raises `UserError` for anything else and for what is past.
    """
    text, moment = text.strip().lower(), now()
    if not text:
        return None
    try:
        if span := re.fullmatch(r"([0-9]{1,4})([dwy])", text):
            ends_at = moment + timedelta(days=int(span[1]) * _DAYS[span[2]])
        else:
            ends_at = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(
            "A key expires on a day like 2027-01-31, or after a time like 90d, 12w or 2y."
        ) from error
    if ends_at <= moment:
        raise UserError("This day is over. A key expires on a later one, or never.")
    return ends_at


def find_key(text: str) -> ApiKey | None:
    """The key with this text, None when there is none or it was revoked.

    Raises `LoginFailedError`.
    """
    ours = text.startswith(_MARK) and len(text) <= 80
    key = storage.find_key("sha256", _digest(text)) if ours else None
    if key is not None and has_expired(key):
        raise LoginFailedError(
            f"This API key expired on {key.expires_at:%Y-%m-%d}. Ask an admin for a new one."
        )
    return key


def has_expired(key: ApiKey) -> bool:
    """True from the moment on at which the key expires."""
    return key.expires_at is not None and key.expires_at <= now()


def note_use(key_id: int, last_used_at: datetime | None) -> None:
    """Remember that a key is used: about once a minute, never waiting for a writer, never
    failing."""
    moment = now()
    if last_used_at is None or last_used_at < moment - _USE_NOTED_EVERY:
        storage.note_key_use(key_id, moment, unless_since=moment - _USE_NOTED_EVERY)


def allows(key: ApiKey, scope: str) -> bool:
    """True when the key's scope includes `scope`."""
    return SCOPES.index(key.scope) >= SCOPES.index(scope)


def get_key(key_id: int) -> ApiKey:
    """The key with this number, revoked or not. Raises `KeyNotFoundError`."""
    if (key := db.session.get(ApiKey, key_id)) is None:
        raise KeyNotFoundError("There is no such key.")
    return key


def revoke_key(key_id: int) -> ApiKey:
    """End the key with this number at once, in all workers. Raises `KeyNotFoundError`."""
    with writing():
        key = get_key(key_id)
        key.revoked_at = key.revoked_at or now()
    return key


def revoke_key_by_prefix(prefix: str) -> ApiKey:
    """End the key that begins with `prefix` at once, in all workers. Raises `UserError`."""
    with writing():
        if (key := storage.find_key("prefix", prefix)) is None:
            raise UserError(f"There is no key that begins with {prefix!r}.")
        key.revoked_at = now()
    return key


def all_keys() -> Sequence[ApiKey]:
    """Every key, newest first."""
    return storage.all_keys()


def _digest(text: str) -> str:
    # a key has 256 random bits, so a plain SHA-256 is enough to keep it
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
