"""How gunicorn runs Marque: a process for each core, threads for slow clients, a calm stop."""

import gc
import os
import signal

from webapp.config import Config
from webapp.errors import ConfigError

try:
    _config = Config.from_env()
except ConfigError as error:
    raise SystemExit(f"marque: {error}") from None

bind = f"{_config.host}:{_config.port}"
wsgi_app = "wsgi:app"
worker_class = "gthread"
workers = _config.workers
threads = _config.threads
timeout = 60
graceful_timeout = 30
keepalive = 5
backlog = 1024
limit_request_line = 8190  # the most there is: a filter may name 200 photos
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
control_socket_disable = True
proc_name = "marque"
loglevel = "warning"
errorlog = "-"


def when_ready(server) -> None:
    """Say where the site is; let Ctrl-C stop like TERM: running requests end first."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    server.log.warning("Marque is at http://%s (Ctrl-C stops it)", bind)


def post_worker_init(worker) -> None:
    """After the fork: load the live model and self-test it, so that the first visitor does not
    wait.

    A model that cannot be used does not stop the server: pages go on, and /health/ready says why.
    """
    # a Ctrl-C reaches every process of the terminal; the master decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from webapp.errors import ModelError
    from webapp.extensions import get_classifier, get_extensions

    with worker.wsgi.app_context():
        try:
            get_classifier()
            if trouble := get_extensions().trouble():
                worker.log.error("%s", trouble)
        except ModelError as error:
            worker.log.error("No photo can be answered: %s", error)
    gc.collect()
    gc.freeze()  # what was loaded so far stays: the collector need not walk it again
