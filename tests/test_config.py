"""Settings: safe defaults, and loud complaints about nonsense."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from webapp.config import Config, unknown_settings
from webapp.errors import ConfigError


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MARQUE_")]:
        monkeypatch.delenv(name)  # of a shell in which somebody runs Marque
    monkeypatch.setenv("MARQUE_DATA", str(tmp_path / "data"))


def test_it_has_safe_defaults(tmp_path: Path) -> None:
    config = Config.from_env()
    assert (config.host, config.port, config.engine) == ("127.0.0.1", 8000, "litert")
    assert (config.uploads, config.gallery) == ("public", "public")
    assert config.database == f"sqlite:///{tmp_path / 'data' / 'marque.sqlite'}"


def test_it_makes_a_secret_key_once_and_keeps_it_private(tmp_path: Path) -> None:
    first, second = Config.from_env(), Config.from_env()
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) == 64
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600


def test_it_takes_the_secret_key_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARQUE_SECRET_KEY", "given")
    assert Config.from_env().secret_key == "given"
    assert not (tmp_path / "data" / "secret_key").exists()


def test_it_takes_passwords_with_their_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUE_ADMIN_PASSWORD", " with spaces ")
    monkeypatch.setenv("MARQUE_SECRET_KEY", " given ")
    config = Config.from_env()
    assert (config.admin_password, config.secret_key) == (" with spaces ", " given ")


def test_it_refuses_a_kept_key_that_is_too_short(tmp_path: Path) -> None:
    Config.from_env()
    (tmp_path / "data" / "secret_key").write_text("short")
    with pytest.raises(ConfigError, match="no usable key"):
        Config.from_env()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MARQUE_PORT", "eighty"),
        ("MARQUE_PORT", "0"),
        ("MARQUE_PORT", "99999"),
        ("MARQUE_THREADS", "-1"),
        ("MARQUE_ENGINE", "torch"),
        ("MARQUE_UPLOADS", "everybody"),
        ("MARQUE_TLS", "maybe"),
        ("MARQUE_RATE_LIMITS", "some"),
        ("MARQUE_RATE_PHOTOS", "0"),
        ("MARQUE_RATE_URL", "memcached://localhost"),
    ],
)
def test_it_refuses_nonsense_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}.*got '{value}'"):
        Config.from_env()


@pytest.mark.parametrize("value", ["on", "On", "1", "true"])
def test_it_reads_switches(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MARQUE_TLS", value)
    assert Config.from_env().tls is True


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUE_PORT", "")
    assert Config.from_env().port == 8000


def test_it_refuses_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUE_IMPORT_FOLDER", "/no/such/folder")
    with pytest.raises(ConfigError, match="MARQUE_IMPORT_FOLDER"):
        Config.from_env()


def test_it_refuses_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigError, match="MARQUE_DATA"):
        Config.from_env()


def test_it_names_settings_that_it_does_not_know() -> None:
    (sentence,) = unknown_settings({"MARQUE_PROT": "8001", "HOME": "/"})
    assert "MARQUE_PROT is not a setting" in sentence


def test_it_says_which_settings_wait_for_a_later_version() -> None:
    (sentence,) = unknown_settings({"MARQUE_FILES_URL": "s3://bucket"})
    assert "does not use it yet" in sentence
