"""Users, passwords, throttling, sessions, keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from webapp.errors import LoginFailedError, TooManyAttemptsError, UserError
from webapp.services.accounts import api_keys, users
from webapp.storage.database import db
from webapp.storage.tables import ApiKey, LoginAttempt, User, now

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def context(app: Flask):
    with app.app_context():
        yield


def test_a_password_is_kept_only_as_a_slow_hash() -> None:
    user, _password = users.create_user("Anna", password=PASSWORD)
    assert user.password_hash.startswith("scrypt:")
    assert PASSWORD not in user.password_hash


def test_a_password_is_made_up_when_none_is_given() -> None:
    user, password = users.create_user("Anna")
    assert len(password) == 20
    assert user.first_password
    assert users.log_in("Anna", password).name == "Anna"


@pytest.mark.parametrize("name", ["", " ", "-x", "a\nb", "x" * 81, "<b>"])
def test_a_strange_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="user name"):
        users.create_user(name)


@pytest.mark.parametrize("password", ["short", "x" * 257])
def test_a_short_or_endless_password_is_refused(password: str) -> None:
    with pytest.raises(UserError, match="10 to 256"):
        users.create_user("Anna", password=password)


def test_a_name_is_taken_once() -> None:
    users.create_user("Anna")
    with pytest.raises(UserError, match="already"):
        users.create_user("Anna")


def test_the_first_admin_is_made_once() -> None:
    made = users.first_admin()
    assert made is not None
    assert (made[0].name, made[0].role) == ("admin", "admin")
    assert users.first_admin() is None


def test_unknown_name_and_wrong_password_say_the_same() -> None:
    users.create_user("Anna", password=PASSWORD)
    with pytest.raises(LoginFailedError) as unknown:
        users.log_in("Nobody", PASSWORD)
    with pytest.raises(LoginFailedError) as wrong:
        users.log_in("Anna", "wrong password")
    assert str(unknown.value) == str(wrong.value)


def fail(name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(LoginFailedError):
            users.log_in(name, "wrong password")


def test_after_five_wrong_passwords_even_the_right_one_waits() -> None:
    users.create_user("Anna", password=PASSWORD)
    fail("Anna", 5)
    with pytest.raises(TooManyAttemptsError) as refused:
        users.log_in("Anna", PASSWORD)
    assert 0 < refused.value.retry_after <= 300


def test_other_names_are_not_held_up() -> None:
    users.create_user("Anna", password=PASSWORD)
    fail("Ben", 5)
    assert users.log_in("Anna", PASSWORD).name == "Anna"


def test_the_wait_ends() -> None:
    users.create_user("Anna", password=PASSWORD)
    fail("Anna", 5)
    db.session.query(LoginAttempt).update({"at": now() - timedelta(minutes=6)})
    db.session.commit()
    assert users.log_in("Anna", PASSWORD).name == "Anna"


def test_a_right_password_starts_the_count_anew() -> None:
    users.create_user("Anna", password=PASSWORD)
    fail("Anna", 4)
    users.log_in("Anna", PASSWORD)
    fail("Anna", 4)
    assert users.log_in("Anna", PASSWORD).name == "Anna"


def test_a_session_ends_when_the_password_changes() -> None:
    user, _password = users.create_user("Anna", password=PASSWORD)
    session = users.session_id_of(user)
    assert users.user_of_session(session) is not None
    users.change_password(user.id, PASSWORD, "another good one")
    assert users.user_of_session(session) is None


def test_a_session_ends_at_logout() -> None:
    user, _password = users.create_user("Anna", password=PASSWORD)
    session = users.session_id_of(user)
    users.end_sessions(user.id)
    assert users.user_of_session(session) is None


@pytest.mark.parametrize(
    "session", ["", "1", "1.", "x.y", "999999999999999999999.a", "-1.a", "1.é"]
)
def test_a_made_up_session_is_nobody(session: str) -> None:
    users.create_user("Anna")
    assert users.user_of_session(session) is None


def test_the_old_password_is_asked_for() -> None:
    user, _password = users.create_user("Anna", password=PASSWORD)
    with pytest.raises(LoginFailedError):
        users.change_password(user.id, "wrong password", "another good one")
    assert users.log_in("Anna", PASSWORD)


def test_only_a_hash_of_a_key_is_kept() -> None:
    _key, text = api_keys.create_key("camera", "predict")
    row = db.session.query(ApiKey).one()
    assert text not in (row.sha256, row.prefix)
    assert api_keys.find_key(text) is not None


@pytest.mark.parametrize(
    ("has", "wants", "may"),
    [("admin", "predict", True), ("review", "review", True), ("predict", "review", False)],
)
def test_a_scope_includes_the_smaller_ones(has: str, wants: str, may: bool) -> None:
    assert api_keys.allows(ApiKey(scope=has), wants) is may


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("12w", 84), ("2y", 730), (" 1D ", 1)])
def test_a_key_may_end_after_a_time(text: str, days: int) -> None:
    ends = api_keys.parse_expiry(text)
    assert ends is not None
    assert abs(ends - now() - timedelta(days=days)) < timedelta(minutes=1)


def test_a_last_day_is_over_at_its_midnight() -> None:
    today = f"{now():%Y-%m-%d}"
    ends = api_keys.parse_expiry(today)
    assert ends is not None
    assert timedelta(0) < ends - now() <= timedelta(days=1)
    assert api_keys.parse_expiry("") is None


@pytest.mark.parametrize(
    "text", ["yesterday", "2001-01-01", "0d", "99999d", "9999-12-31", "2027-13-01", "-1d"]
)
def test_an_end_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        api_keys.parse_expiry(text)


def test_an_expired_key_is_not_found_but_refused() -> None:
    _key, text = api_keys.create_key("camera", "predict", now() - timedelta(seconds=1))
    with pytest.raises(LoginFailedError, match="expired on"):
        api_keys.find_key(text)


def test_users_are_listed_by_name() -> None:
    users.create_user("Ben")
    users.create_user("Anna")
    assert [user.name for user in users.all_users()] == ["Anna", "Ben"]
    assert isinstance(users.all_users()[0], User)
