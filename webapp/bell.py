"""The doorbell of the workers: a Celery app that only rings. What there is to do stands in the jobs table."""

import json
import logging
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from celery import Celery
from kombu.transport import filesystem

from webapp.config import Config

RING = "marque.ring"
POLL = 0.5
"""Seconds between two looks into the folder of messages."""
UNREAD, READ = "rings", "taken"

log = logging.getLogger("marque.jobs")


class FolderChannel(filesystem.Channel):
    """Kombu's files as messages, with three edges rounded off.

    A message appears whole or not at all (kombu's can be read half written); the one who moves it away has it (kombu's move may be a copy
    when the folder for temporary files lies on another disk, and then two have it); and the folders may be removed at any time.
    """

    def _put(self, queue: str, payload: Any, **_options: Any) -> None:  # type: ignore[override]
        folder = _made(self.data_folder_out)
        fresh = folder / f".{uuid.uuid4().hex}"
        fresh.write_text(json.dumps(payload), encoding="utf-8")
        fresh.rename(folder / f"{uuid.uuid4().hex}.{queue}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002
        taken = _made(self.processed_folder)
        for name in _names(self.data_folder_in):
            if name.startswith(".") or not name.endswith(f".{queue}.msg"):
                continue
            try:
                mine = (Path(self.data_folder_in) / name).rename(taken / name)
                payload = json.loads(mine.read_bytes())
                mine.unlink()
            except (
                OSError,
                ValueError,
            ):  # another one has it, or somebody removed the folders: it is only a ring
                continue
            return payload
        raise Empty

    def _size(self, queue: str) -> int:
        return sum(name.endswith(f".{queue}.msg") for name in _names(self.data_folder_in))

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        _made(self.control_folder)
        super()._queue_bind(exchange, routing_key, pattern, queue)


class FolderTransport(filesystem.Transport):
    """See `FolderChannel`."""

    Channel = FolderChannel
    polling_interval = POLL


def make_bell(config: Config) -> Celery:
    """The Celery app, over the broker that the settings name: without one, files in `queue/` of the data folder.

    Nothing is stored about tasks and nothing is waited for: a ring that is lost is rung again by the workers' own look.
    """
    app = Celery("marque", set_as_current=False)
    app.conf.update(
        broker_url=config.broker_url or "filesystem://localhost",
        result_backend=None,
        task_ignore_result=True,
        task_default_queue="marque",
        task_create_missing_queues=True,
        task_publish_retry=False,
        broker_connection_timeout=2,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    if not config.broker_url:
        queue = config.data / "queue"
        app.conf.update(
            broker_transport=f"{FolderTransport.__module__}:{FolderTransport.__qualname__}",
            broker_transport_options={
                "data_folder_in": str(queue / UNREAD),
                "data_folder_out": str(queue / UNREAD),
                "processed_folder": str(queue / READ),
                "control_folder": str(queue),
                "store_processed": True,
            },
        )
    return app


class Bell:
    """Rings for a lane of work. A broker that cannot be reached is not an error: the workers look by themselves."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def ring(self, lane: str) -> None:
        """Ring once."""
        try:
            self._celery.send_task(RING, (lane,), ignore_result=True)
        except Exception as error:  # each transport has its own errors
            log.warning(
                "the broker was not reached (%s); workers look every few seconds",
                type(error).__name__,
            )


def _names(folder: str | Path) -> list[str]:
    return [one.name for one in _made(folder).iterdir()]


def _made(folder: str | Path) -> Path:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
