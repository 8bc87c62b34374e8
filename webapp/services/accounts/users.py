"""Users, passwords and sessions."""

import math
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from webapp.errors import LoginFailedError, TooManyAttemptsError, UserError
from webapp.storage import accounts as storage
from webapp.storage.database import db, writing
from webapp.storage.tables import User, now

ROLES = ("reviewer", "admin")
_SHORTEST, _LONGEST = 10, 256
_WRONG_PASSWORDS, _WINDOW = 5, timedelta(minutes=5)


@cache
def _hash_of_unknown_user() -> str:
    """Checked for unknown names, so that their answer takes as long as that of known ones."""
    return generate_password_hash(secrets.token_hex(16))


def create_user(
    name: str, *, role: str = "reviewer", password: str = "", first_password: bool = False
) -> tuple[User, str]:
    """A new user and their password, which is readable this once; one is generated when none is
    given. Raises `UserError`."""
    name = name.strip()
    if not re.fullmatch(r"[\w][\w .@-]{0,79}", name):
        raise UserError(
            "A user name has 1 to 80 letters, digits, spaces or . @ - _ "
            "and begins with a letter or digit."
        )
    if role not in ROLES:
        raise UserError(f"A role is {' or '.join(ROLES)}, not {role!r}.")
    generated = not password
    password = password or make_password()
    _check_password(password)
    with writing():
        if storage.find_user(name) is not None:
            raise UserError(f"There is a user called {name} already.")
        user = User(
            name=name,
            password_hash=generate_password_hash(password),
            role=role,
            stamp=secrets.token_hex(16),
            first_password=first_password or generated,
        )
        db.session.add(user)
    return user, password


def first_admin(password: str = "") -> tuple[User, str] | None:
    """Create the user `admin` when there are no users yet, else None."""
    return None if storage.all_users() else create_user("admin", role="admin", password=password)


def log_in(name: str, password: str) -> User:
    """The user of this name and password.

    Raises `LoginFailedError`, or `TooManyAttemptsError` after five wrong passwords in five minutes:
    they are counted by name in the database, over all workers, across restarts and addresses.
    """
    name = name.strip()[:80]
    _refuse_when_throttled(name)
    user = storage.find_user(name)
    # made for known names too: the first login of a process takes as long for both
    unknown = _hash_of_unknown_user()
    if not _fits(password, user.password_hash if user else unknown) or user is None:
        _add_attempt(name)
        raise LoginFailedError(
            "User name and password do not match. Try again, or ask an admin for a new password."
        )
    with writing():
        storage.forget_attempts(name)
    return user


def change_password(user_id: int, old: str, new: str) -> User:
    """Change a user's password and end all their sessions.

    Raises `LoginFailedError` for a wrong old one, `TooManyAttemptsError` or `UserError`.
    """
    user = db.session.get(User, user_id)
    if user is None:
        raise UserError("This user does not exist any more.")
    _refuse_when_throttled(user.name)
    if not _fits(old, user.password_hash):
        _add_attempt(user.name)
        raise LoginFailedError("The present password is not right. Nothing was changed.")
    return set_password(user.name, new)


def set_password(name: str, new: str, *, first_password: bool = False) -> User:
    """Set a password without the old one and end all sessions. Raises `UserError`."""
    _check_password(new)
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
    """Log a user out everywhere: copied cookies are worthless afterwards."""
    with writing():
        if (user := db.session.get(User, user_id)) is not None:
            user.stamp = secrets.token_hex(16)


def user_of_session(session_id: str) -> User | None:
    """The user of a session made by `session_id_of`, None when it was ended."""
    number, _, stamp = session_id.partition(".")
    user = db.session.get(User, int(number)) if number.isdecimal() and len(number) < 18 else None
    stamp_bytes = stamp.encode("utf-8", "replace")
    return user if user and secrets.compare_digest(user.stamp.encode(), stamp_bytes) else None


def session_id_of(user: User) -> str:
    """What a session cookie keeps of a user: "<number>.<stamp>"."""
    return f"{user.id}.{user.stamp}"


def all_users() -> Sequence[User]:
    """Everybody, by name."""
    return storage.all_users()


def make_password() -> str:
    """A password of 20 characters, about 119 random bits."""
    return secrets.token_urlsafe(15)


def _fits(password: str, digest: str) -> bool:
    return len(password) <= _LONGEST and check_password_hash(digest, password)


def _check_password(password: str) -> None:
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise UserError(f"A password has {_SHORTEST} to {_LONGEST} characters.")


def _add_attempt(name: str) -> None:
    with writing():
        storage.add_attempt(name, forget_before=now() - _WINDOW)


def _refuse_when_throttled(name: str) -> None:
    count, oldest = storage.count_attempts(name, now() - _WINDOW)
    if count >= _WRONG_PASSWORDS and oldest is not None:
        wait = max(1, math.ceil((oldest + _WINDOW - now()).total_seconds()))
        raise TooManyAttemptsError(
            "Too many wrong passwords for this user name. "
            f"Try again in {math.ceil(wait / 60)} min.",
            wait,
        )
