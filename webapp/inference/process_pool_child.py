"""One process of a pool: `python -m webapp.inference.process_pool_child NUMBER`, the number of the open line to the process that started it."""

import os
import sys
from multiprocessing.connection import Connection

from webapp.errors import MarqueError
from webapp.inference.models.loading import open_version
from webapp.inference.process_pool import try_to_classify


def main(number: int) -> None:
    """Load what the first message names, say "" (or what is wrong), then answer chunk after chunk until the line ends."""
    with Connection(number) as line:
        task = line.recv()
        try:
            asked = [open_version(folder, task["engine"]) for folder in task["folders"]]
        except MarqueError as error:
            line.send(str(error))
            return
        line.send("")
        while True:
            line.send(
                [
                    try_to_classify(path, asked, store=task["store"], top=task["top"])
                    for path in line.recv()
                ]
            )


def silence_codecs() -> None:
    """Keep what libraries in C write to the standard error about damaged photos away from people; what Python writes still gets there."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = open(kept, "w", encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115


if __name__ == "__main__":
    silence_codecs()
    try:
        main(int(sys.argv[1]))
    except (EOFError, OSError):  # whoever asked is gone
        sys.exit(1)
