"""The contract of a file store; every keeper passes the same tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from webapp.storage.files import DatabaseFiles, FileStore


@pytest.fixture
def files(app: Flask) -> Iterator[FileStore]:
    with app.app_context():
        yield DatabaseFiles()


def test_it_gives_back_what_was_put(files: FileStore) -> None:
    files.put("a" * 64, b"bytes")
    assert files.get("a" * 64) == b"bytes"


def test_putting_twice_is_harmless(files: FileStore) -> None:
    files.put("a" * 64, b"bytes")
    files.put("a" * 64, b"bytes")
    assert files.get("a" * 64) == b"bytes"


def test_what_was_never_put_is_none(files: FileStore) -> None:
    assert files.get("b" * 64) is None


def test_deleted_bytes_are_gone(files: FileStore) -> None:
    files.put("a" * 64, b"bytes")
    files.delete("a" * 64)
    assert files.get("a" * 64) is None


def test_deleting_nothing_is_harmless(files: FileStore) -> None:
    files.delete("c" * 64)
