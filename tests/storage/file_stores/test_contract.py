"""The contract of a file store; every keeper passes the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.fakes import FolderFiles
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.file_stores.database import DatabaseFiles


@pytest.fixture(params=["database", "folder"])
def files(app: Flask, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileStore]:
    with app.app_context():
        yield DatabaseFiles() if request.param == "database" else FolderFiles(tmp_path / "files")


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


def test_it_names_all_that_it_keeps(files: FileStore) -> None:
    for letter in "cab":
        files.put(letter * 64, b"bytes")
    assert list(files.names()) == ["a" * 64, "b" * 64, "c" * 64]
