"""Bytes in the `files` table: one transaction with the photo's row, one file to back up."""

from collections.abc import Iterator

from sqlalchemy import delete, select

from webapp.storage.database import db, insert_row
from webapp.storage.tables import File


class DatabaseFiles:
    """The default file store: see `FileStore`."""

    def put(self, sha256: str, content: bytes) -> None:
        """Insert a row, unless there is one."""
        insert_row(File(sha256=sha256, content=content), once=True)

    def get(self, sha256: str) -> bytes | None:
        """Read the row."""
        return db.session.scalar(select(File.content).where(File.sha256 == sha256))

    def delete(self, sha256: str) -> None:
        """Delete the row."""
        db.session.execute(delete(File).where(File.sha256 == sha256))

    def names(self) -> Iterator[str]:
        """Read a thousand names at a time."""
        last = ""
        query = select(File.sha256).order_by(File.sha256).limit(1000)
        while page := db.session.scalars(query.where(File.sha256 > last)).all():
            yield from page
            last = page[-1]
