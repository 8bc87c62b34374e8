"""One process of a pool: `python -m webapp.inference.process_pool_child FILE_DESCRIPTOR`."""

import os
import sys
from multiprocessing.connection import Connection

from webapp.errors import MarqueError
from webapp.inference.models.loading import open_detector, open_version
from webapp.inference.process_pool import Setup, try_to_classify


def main(descriptor: int) -> None:
    """Load the versions of the first message, answer "" or what is wrong, then chunk by chunk."""
    with Connection(descriptor) as connection:
        setup: Setup = connection.recv()
        folders, engine, found_in = setup
        try:
            classifiers = [open_version(folder, engine) for folder in folders]
            detector = open_detector(found_in, engine) if found_in else None
        except MarqueError as error:
            connection.send(str(error))
            return
        connection.send("")
        while True:
            paths, task = connection.recv()
            results = [try_to_classify(path, classifiers, detector, task) for path in paths]
            connection.send(results)


def _silence_codecs() -> None:
    """Hide what libraries in C write to stderr about damaged photos; Python still gets there."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = open(kept, "w", encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115


if __name__ == "__main__":
    _silence_codecs()
    try:
        main(int(sys.argv[1]))
    except (EOFError, OSError):  # the parent is gone
        sys.exit(1)
