"""Where the bytes of uploads live: the contract, and its default keeper, the database itself."""

from collections.abc import Iterator
from typing import Protocol

from sqlalchemy import delete, select

from webapp.storage.database import db, insert_row
from webapp.storage.tables import File


class FileStore(Protocol):
    """Bytes named by their SHA-256 in lower-case hex. Putting the same bytes again is harmless."""

    def put(self, sha256: str, content: bytes) -> None:
        """Keep `content`. It is safe once the surrounding transaction commits."""
        ...

    def get(self, sha256: str) -> bytes | None:
        """The bytes, or None when there are none of this name."""
        ...

    def delete(self, sha256: str) -> None:
        """Forget the bytes; nothing happens when there are none."""
        ...

    def names(self) -> Iterator[str]:
        """The SHA-256 of everything that is kept."""
        ...


class DatabaseFiles:
    """Keeps the bytes in the `files` table: one transaction with the photo's row, one file to back up, nothing to sweep."""

    def put(self, sha256: str, content: bytes) -> None:
        """See `FileStore.put`."""
        if (
            db.session.execute(
                select(File.sha256).where(File.sha256 == sha256)
            ).scalar_one_or_none()
            is None
        ):
            insert_row(File(sha256=sha256, content=content))

    def get(self, sha256: str) -> bytes | None:
        """See `FileStore.get`."""
        return db.session.execute(
            select(File.content).where(File.sha256 == sha256)
        ).scalar_one_or_none()

    def delete(self, sha256: str) -> None:
        """See `FileStore.delete`."""
        db.session.execute(delete(File).where(File.sha256 == sha256))

    def names(self) -> Iterator[str]:
        """See `FileStore.names`."""
        last = ""
        while some := list(
            db.session.execute(
                select(File.sha256).where(File.sha256 > last).order_by(File.sha256).limit(1000)
            ).scalars()
        ):
            yield from some
            last = some[-1]
