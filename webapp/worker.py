"""A worker: the app, without web pages, behind Celery. `flask worker` and `flask serve` start it; any number may run, also elsewhere."""

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

from celery.platforms import EX_OK, SecurityWarning
from celery.signals import worker_ready
from celery.worker import state

from webapp.app import create_app
from webapp.bell import make_bell
from webapp.config import Config
from webapp.errors import ConfigError
from webapp.services.jobs.job_type import Kind
from webapp.services.jobs.types.registry import KINDS
from webapp.tasks.ring import make_crew

NICE = 10
"""Web answers come first: the worker takes what is left of the processor."""
WAITING = 64
CALM = 25
"""Seconds in which hands come to a stop, a little less than the starter gives."""


def run(config: Config, kinds: Mapping[str, Kind], hands: int) -> int:
    """Work until TERM or Ctrl-C, then stop between two photos and give back what is not through; returns the exit status.

    It works in threads of one process: nothing is forked, so no network, database or lock is carried into a child, and it takes half the
    memory. Each thread has its own interpreter of the network.
    """
    app = create_app(
        config.model_copy(update={"workers": 1, "threads": hands + WAITING})
    )  # its own limiter: the hands are the limit
    celery = make_bell(config)
    crew = make_crew(app, celery, kinds, hands)
    looking = threading.Thread(target=crew.look_until_the_end, name="look")

    def end(_number: int, _frame: FrameType | None) -> None:
        crew.ending.set()
        state.should_stop = EX_OK

    def ready(**_event: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)

    worker_ready.connect(ready)
    worker = celery.Worker(
        pool="threads",
        concurrency=hands + 1,
        hostname=f"marque@{crew.name}",
        loglevel=logging.WARNING,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    gc.freeze()
    looking.start()  # before the broker is found: who looks needs none
    try:
        worker.start()
    finally:
        crew.ending.set()
        looking.join(timeout=CALM)
    return worker.exitcode or 0


def main() -> int:
    """`python -m webapp.worker`."""
    parser = argparse.ArgumentParser(
        prog="flask worker", description="Do background jobs until Ctrl-C."
    )
    parser.add_argument(
        "--hands",
        type=int,
        default=default_hands(),
        help="how many parts of jobs at once (the number of cores)",
    )
    hands = max(1, parser.parse_args().hands)
    try:
        config = Config.from_env()
    except ConfigError as error:
        sys.exit(f"marque: {error}")
    with suppress(OSError):
        os.nice(NICE)
    warnings.simplefilter(
        "ignore", SecurityWarning
    )  # about root and pickles: only JSON is read, and nothing in it is called
    logging.basicConfig(level=logging.WARNING, format="marque worker: %(message)s")
    return run(config, KINDS, hands)


def default_hands() -> int:
    """One for each core. The web keeps its share all the same: see `NICE`."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
