"""Queries about users, their wrong passwords and API keys. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, func, select, update

from webapp.storage.database import db, write_if_free
from webapp.storage.tables import ApiKey, LoginAttempt, User


def find_user(name: str) -> User | None:
    """The user of this name, or None. Names are compared as written."""
    return db.session.execute(select(User).where(User.name == name)).scalar_one_or_none()


def all_users() -> Sequence[User]:
    """Everybody, by name."""
    return db.session.scalars(select(User).order_by(User.name)).all()


def count_attempts(name: str, since: datetime) -> tuple[int, datetime | None]:
    """How many wrong passwords this name had since then, and when the oldest of them was."""
    recent = (LoginAttempt.name == name, LoginAttempt.at >= since)
    attempts = select(func.count(), func.min(LoginAttempt.at)).where(*recent)
    count, oldest = db.session.execute(attempts).one()
    return count, oldest


def add_attempt(name: str, forget_before: datetime) -> None:
    """Remember a wrong password, and forget those of all names that are too old to matter."""
    db.session.execute(delete(LoginAttempt).where(LoginAttempt.at < forget_before))
    db.session.add(LoginAttempt(name=name))


def forget_attempts(name: str) -> None:
    """The right password was given: start counting anew."""
    db.session.execute(delete(LoginAttempt).where(LoginAttempt.name == name))


def find_key(column: Literal["sha256", "prefix"], value: str) -> ApiKey | None:
    """The key with this hash, or that begins so, and was not revoked; or None."""
    statement = select(ApiKey).filter_by(**{column: value}, revoked_at=None)
    return db.session.scalars(statement).one_or_none()


def note_key_use(key_id: int, moment: datetime, unless_since: datetime) -> bool:
    """Remember that a key was used, unless that was noted since then; False when somebody else was
    writing, or nobody can."""
    late = ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < unless_since)
    use = update(ApiKey).where(ApiKey.id == key_id, late).values(last_used_at=moment)
    return write_if_free(use)


def all_keys() -> Sequence[ApiKey]:
    """Every key, newest first."""
    return db.session.scalars(select(ApiKey).order_by(ApiKey.id.desc())).all()
