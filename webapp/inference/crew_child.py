"""One process of a crew: `python -m webapp.inference.crew_child NUMBER`, the number of the open line to the process that started it."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from webapp.errors import MarqueError
from webapp.inference.crew import try_to_look
from webapp.inference.loading import open_version


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
            line.send([try_to_look(path, asked, store=task["store"], top=task["top"]) for path in line.recv()])


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except (EOFError, OSError):  # whoever asked is gone
        sys.exit(1)
