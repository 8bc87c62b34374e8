"""Who may come in: users, passwords, sessions, API keys."""

import hashlib
import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from webapp.errors import (
    KeyExpiredError,
    KeyNotFoundError,
    LoginFailedError,
    TooManyAttemptsError,
    UserError,
)
from webapp.storage import accounts as storage
from webapp.storage.database import writing
from webapp.storage.tables import ApiKey, User, now

ROLES = ("reviewer", "admin")
SCOPES = ("predict", "review", "admin")
SHORTEST, LONGEST = 10, 256
ATTEMPTS = 5
WINDOW = timedelta(minutes=5)
KEY_MARK = "mq_"
NOTED_EVERY = timedelta(minutes=1)
DAYS = {"d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}


@cache
def _nobody() -> str:
    """Checked when the user name is unknown, so that the answer takes as long as for a known one. Made on first need: it takes as long as
    a tenth of a start."""
    return generate_password_hash(secrets.token_hex(16))


@dataclass(frozen=True)
class NewUser:
    """A user just made; `password` is readable this once."""

    user: User
    password: str


def create_user(
    name: str, *, role: str = "reviewer", password: str = "", first_password: bool = False
) -> NewUser:
    """Add a user; a password is made up when none is given. Raises `UserError` when name, role or password cannot be taken."""
    name = name.strip()
    if not re.fullmatch(r"[\w][\w .@-]{0,79}", name):
        raise UserError(
            "A user name has 1 to 80 letters, digits, spaces or . @ - _ and begins with a letter or digit."
        )
    if role not in ROLES:
        raise UserError(f"A role is {' or '.join(ROLES)}, not {role!r}.")
    made_up = not password
    password = password or make_password()
    check_password(password)
    with writing():
        if storage.find_user(name) is not None:
            raise UserError(f"There is a user called {name} already.")
        user = User(
            name=name,
            password_hash=generate_password_hash(password),
            role=role,
            stamp=secrets.token_hex(16),
            first_password=first_password or made_up,
        )
        storage.add_user(user)
    return NewUser(user, password)


def first_admin(password: str = "") -> NewUser | None:
    """Make the user `admin` when there is nobody yet, else None. `password` is for unattended set-ups."""
    if storage.all_users():
        return None
    return create_user("admin", role="admin", password=password)


def log_in(name: str, password: str) -> User:
    """The user of this name and password. Raises `LoginFailedError`, or `TooManyAttemptsError` after five wrong ones in five minutes.

    Wrong passwords are counted for each name in the database: over all workers, across restarts, whatever address they come from.
    """
    name = name.strip()[:80]
    _refuse_when_throttled(name)
    user = storage.find_user(name)
    nobody = (
        _nobody()
    )  # asked for known names too: the first login of a process takes as long for both
    fits = len(password) <= LONGEST and check_password_hash(
        user.password_hash if user else nobody, password
    )
    if user is None or not fits:
        with writing():
            storage.add_attempt(name, forget_before=now() - WINDOW)
        raise LoginFailedError(
            "User name and password do not match. Try again, or ask an admin for a new password."
        )
    with writing():
        storage.forget_attempts(name)
    return user


def change_password(user_id: int, old: str, new: str) -> User:
    """Give a user a new password and end all their sessions. Raises `LoginFailedError` (wrong old one) or `UserError`."""
    user = storage.get_user(user_id)
    if user is None:
        raise UserError("This user does not exist any more.")
    _refuse_when_throttled(user.name)
    if len(old) > LONGEST or not check_password_hash(user.password_hash, old):
        with writing():
            storage.add_attempt(user.name, forget_before=now() - WINDOW)
        raise LoginFailedError("The present password is not right. Nothing was changed.")
    return set_password(user.name, new)


def set_password(name: str, new: str = "", *, first_password: bool = False) -> User:
    """Set a password without asking for the old one (an admin, the terminal) and end all sessions. Raises `UserError`."""
    check_password(new)
    digest = generate_password_hash(new)
    with writing():
        user = storage.find_user(name)
        if user is None:
            raise UserError(f"There is no user called {name}.")
        user.password_hash = digest
        user.stamp = secrets.token_hex(16)
        user.first_password = first_password
        storage.forget_attempts(user.name)
    return user


def end_sessions(user_id: int) -> None:
    """Log a user out everywhere: cookies that were copied before are worthless afterwards."""
    with writing():
        user = storage.get_user(user_id)
        if user is not None:
            user.stamp = secrets.token_hex(16)


def user_of_session(session_id: str) -> User | None:
    """The user a session cookie speaks of, None when it was ended. `session_id` is "<number>.<stamp>", see `session_id_of`."""
    number, _, stamp = session_id.partition(".")
    user = storage.get_user(int(number)) if number.isdecimal() and len(number) < 18 else None
    if user is None or not secrets.compare_digest(
        user.stamp.encode(), stamp.encode("utf-8", "replace")
    ):
        return None
    return user


def session_id_of(user: User) -> str:
    """What a session cookie keeps of a user."""
    return f"{user.id}.{user.stamp}"


def all_users() -> Sequence[User]:
    """Everybody, by name."""
    return storage.all_users()


def names() -> list[str]:
    """The names of everybody, in order."""
    return [user.name for user in all_users()]


def make_password() -> str:
    """A password of 20 characters, about 119 random bits."""
    return secrets.token_urlsafe(15)


def check_password(password: str) -> None:
    """Raise `UserError` when a password is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UserError(f"A password has {SHORTEST} to {LONGEST} characters.")


def _refuse_when_throttled(name: str) -> None:
    count, oldest = storage.count_attempts(name, now() - WINDOW)
    if count >= ATTEMPTS and oldest is not None:
        wait = max(1, math.ceil((oldest + WINDOW - now()).total_seconds()))
        raise TooManyAttemptsError(
            f"Too many wrong passwords for this user name. Try again in {math.ceil(wait / 60)} min.",
            wait,
        )


# ---- API keys ----


def create_key(name: str, scope: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new API key and its text, readable this once. Each scope includes those before it; without `expires_at` it never expires.

    Raises `UserError`.
    """
    if scope not in SCOPES:
        raise UserError(f"A scope is {', '.join(SCOPES)}, not {scope!r}.")
    if not 1 <= len(name.strip()) <= 80:
        raise UserError("A key has a name of 1 to 80 characters: who or what uses it.")
    text = KEY_MARK + secrets.token_urlsafe(32)
    key = ApiKey(
        name=name.strip(),
        prefix=text[:10],
        sha256=_digest(text),
        scope=scope,
        expires_at=expires_at,
    )
    with writing():
        storage.add_key(key)
    return key, text


def parse_expiry(text: str) -> datetime | None:
    """When a key shall end: "2027-01-31" (the end of that day in UTC), "90d", "12w" or "2y" from now, "" for never.

    Raises `UserError` for anything else and for what is past.
    """
    text, moment = text.strip().lower(), now()
    if not text:
        return None
    try:
        if found := re.fullmatch(r"([0-9]{1,4})([dwy])", text):
            ends = moment + int(found[1]) * DAYS[found[2]]
        else:
            ends = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(
            "A key expires on a day like 2027-01-31, or after a time like 90d, 12w or 2y."
        ) from error
    if ends <= moment:
        raise UserError("This day is over. A key expires on a later one, or never.")
    return ends


def find_key(text: str) -> ApiKey | None:
    """The key with this text, None when there is none or it was revoked. Raises `KeyExpiredError` when its time is over."""
    key = storage.find_key(_digest(text)) if text.startswith(KEY_MARK) and len(text) <= 80 else None
    if key is not None and has_expired(key):
        raise KeyExpiredError(
            f"This API key expired on {key.expires_at:%Y-%m-%d}. Ask an admin for a new one."
        )
    return key


def has_expired(key: ApiKey) -> bool:
    """True from the moment on at which the key expires."""
    return key.expires_at is not None and key.expires_at <= now()


def note_use(key_id: int, last_used_at: datetime | None) -> None:
    """Remember that a key is being used: about once a minute, never waiting for another writer, never failing."""
    moment = now()
    if last_used_at is None or last_used_at < moment - NOTED_EVERY:
        storage.note_key_use(key_id, moment, unless_since=moment - NOTED_EVERY)


def allows(key: ApiKey, scope: str) -> bool:
    """True when the key's scope includes `scope`."""
    return SCOPES.index(key.scope) >= SCOPES.index(scope)


def revoke_key(prefix: str) -> ApiKey:
    """End a key at once, in all workers. Raises `UserError` when none begins so."""
    with writing():
        key = storage.find_key_by_prefix(prefix)
        if key is None:
            raise UserError(f"There is no key that begins with {prefix!r}.")
        key.revoked_at = now()
    return key


def get_key(key_id: int) -> ApiKey:
    """The key with this number, revoked or not. Raises `KeyNotFoundError`."""
    key = storage.get_key(key_id)
    if key is None:
        raise KeyNotFoundError("There is no such key.")
    return key


def revoke_key_with_number(key_id: int) -> ApiKey:
    """End the key with this number at once, in all workers; one that was revoked before stays so. Raises `KeyNotFoundError`."""
    with writing():
        key = get_key(key_id)
        key.revoked_at = key.revoked_at or now()
    return key


def all_keys() -> Sequence[ApiKey]:
    """Every key, newest first."""
    return storage.all_keys()


def _digest(text: str) -> str:
    """A key has 256 random bits, so a plain SHA-256 is enough to keep it."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
