"""What every file store does."""

from collections.abc import Iterator
from typing import Protocol


class FileStore(Protocol):
    """Bytes named by their SHA-256 in lower-case hex. Storing the same bytes again is harmless."""

    def put(self, sha256: str, content: bytes) -> None:
        """Store `content`; it is safe once the surrounding transaction commits."""
        ...

    def get(self, sha256: str) -> bytes | None:
        """The bytes, None when there are none of this name."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove the bytes, if there are any."""
        ...

    def names(self) -> Iterator[str]:
        """The SHA-256 of everything that is stored, in ascending order."""
        ...
