"""A zip that leaves in pieces, as soon as a file of it is whole."""

import io
import zipfile
from datetime import datetime
from types import TracebackType
from typing import Any, Self


class ZipStream:
    """A zip that is never in memory as a whole: `zipfile` writes to what cannot be rewound."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def add_photo(self, path: str, content: bytes, created_at: datetime) -> None:
        """A file that is stored as it is: photos are compressed already."""
        self._archive.writestr(zipfile.ZipInfo(path, created_at.timetuple()[:6]), content)

    def add_text(self, path: str, content: bytes) -> None:
        """A file that is compressed."""
        self._archive.writestr(path, content, zipfile.ZIP_DEFLATED)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._sink.pieces = b"".join(self._sink.pieces), []
        return taken


class _Sink(io.RawIOBase):
    """A file that is written once."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, content: Any) -> int:
        """Keep it until it is taken."""
        self.pieces.append(bytes(content))
        return len(content)
