"""A worker process: the app without web pages. `flask worker` and `flask serve` start it."""

import argparse
import gc
import logging
import os
import signal
import sys
from contextlib import suppress

from webapp.app import create_app
from webapp.config import Config, available_cores
from webapp.errors import ConfigError
from webapp.extensions import get_tools
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker

# Web answers come first: the worker takes what is left of the processor.
_NICE = 10
# Its own admission limiter never refuses: the worker threads are the limit.
_WAITING = 64


def _run(config: Config, threads: int) -> None:
    """Work until TERM or Ctrl-C, then stop between two photos and give back what is not through.

    It works in threads of one process, each with its own interpreter of the model: nothing is
    forked, so no model, database or lock is carried into a child.
    """
    app = create_app(config.model_copy(update={"workers": 1, "threads": threads + _WAITING}))
    worker = Worker(JOB_TYPES, get_tools, app.app_context, threads)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stopping.set())
    gc.freeze()
    worker.run()


def main() -> None:
    """`python -m webapp.worker`."""
    parser = argparse.ArgumentParser(prog="flask worker")
    parser.add_argument("--threads", type=int, default=available_cores())
    threads = max(1, parser.parse_args().threads)
    try:
        config = Config.from_env()
    except ConfigError as error:
        sys.exit(f"marque: {error}")
    with suppress(OSError):
        os.nice(_NICE)
    logging.basicConfig(level=logging.WARNING, format="marque worker: %(message)s")
    _run(config, threads)


if __name__ == "__main__":
    main()
