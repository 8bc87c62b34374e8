"""Settings: safe defaults, and loud complaints about nonsense."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from webapp.config import Config, unknown_settings
from webapp.errors import ConfigError


def read(tmp_path: Path, **env: str) -> Config:
    return Config.from_env({"MARQUE_DATA": str(tmp_path / "data"), **env})


def test_it_has_safe_defaults(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert (config.host, config.port, config.engine) == ("127.0.0.1", 8000, "litert")
    assert (config.uploads, config.gallery) == ("public", "public")
    assert config.database == f"sqlite:///{tmp_path / 'data' / 'marque.sqlite'}"


def test_it_makes_a_secret_key_once_and_keeps_it_private(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) == 64
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600


def test_it_takes_the_secret_key_it_is_given(tmp_path: Path) -> None:
    assert read(tmp_path, MARQUE_SECRET_KEY="given").secret_key == "given"
    assert not (tmp_path / "data" / "secret_key").exists()


def test_it_refuses_a_kept_key_that_is_too_short(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "data" / "secret_key").write_text("short")
    with pytest.raises(ConfigError, match="no usable key"):
        read(tmp_path)


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
def test_it_refuses_nonsense_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read(tmp_path, **{name: value})


def test_it_refuses_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigError, match="MARQUE_DATA"):
        read(tmp_path)


def test_it_names_settings_that_it_does_not_know() -> None:
    (sentence,) = unknown_settings({"MARQUE_PROT": "8001", "HOME": "/"})
    assert "MARQUE_PROT is not a setting" in sentence


def test_it_says_which_settings_wait_for_a_later_version() -> None:
    (sentence,) = unknown_settings({"MARQUE_FILES_URL": "s3://bucket"})
    assert "does not use it yet" in sentence
