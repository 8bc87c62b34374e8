"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place when the block ends well, and is removed when it
    does not. A `shared` one, which other processes may write too, gets a name of its own until
    then, and is synced to the disk."""
    own = f".{secrets.token_hex(4)}" if shared else ""
    fresh = path.with_name(f".{path.name}{own}.part")
    try:
        with fresh.open("wb") as stream:
            yield stream
            if shared:
                stream.flush()
                os.fsync(stream.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """A file with this content, which appears whole or not at all."""
    with replacing(path) as stream:
        stream.write(content)
