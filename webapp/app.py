"""The factory: the only place that knows every room."""

import errno
import logging
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from flask import Flask, Request, Response, current_app, request
from flask.json.provider import DefaultJSONProvider
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import extensions as ext
from webapp.api import exports as api_export
from webapp.api import health as api_health
from webapp.api import jobs as api_jobs
from webapp.api import labels as api_labels
from webapp.api import models as api_models
from webapp.api import photos as api_photos
from webapp.api import problems as api_errors
from webapp.api import reference as api_reference
from webapp.api import stats as api_stats
from webapp.api.schemas.photos import photo_json
from webapp.cli import jobs as cli_jobs
from webapp.cli import operations as cli_operate
from webapp.cli import stats as cli_stats
from webapp.cli import webhooks as cli_webhooks
from webapp.cli.accounts import keys as cli_keys
from webapp.cli.accounts import users as cli_users
from webapp.cli.models import group as cli_model
from webapp.cli.photos import demo as cli_demo
from webapp.cli.photos import group as cli_photos
from webapp.config import ROOT, Config, warn_of_unknown_settings
from webapp.errors import MarqueError, ServerBusyError, StorageFullError
from webapp.http import rate_limits as throttle
from webapp.http.responses import (
    Sessions,
    add_headers,
    allow_large_requests,
    compress_answers,
    wants_json,
)
from webapp.inference.classifier import Classifier
from webapp.legacy import routes as api_legacy
from webapp.storage.database import checkpoint_if_large, db
from webapp.storage.sqlite import connection as sqlite_connection
from webapp.views import error_pages as view_errors
from webapp.views import exports as export
from webapp.views import jobs, layout, webhooks
from webapp.views.accounts import keys, login, users
from webapp.views.labels import label_import, label_sets, log, merges, relabel
from webapp.views.models import cards as models
from webapp.views.models import model_import as imports
from webapp.views.models import versions
from webapp.views.photos import bulk, gallery, retention, upload
from webapp.views.photos import heat_map as heat
from webapp.views.review import queue as review
from webapp.views.review import suspects
from webapp.views.stats import stats

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
JSON_PATHS = ("/api/", "/health/", "/ping", "/healthcheck", "/infer", "/predict")
SPOOLED_FROM = 512 * 1024
"""Bytes of a file in a form from which on it waits on the disk, not in memory."""
MAX_REQUEST = 220 * 1024 * 1024
"""Bytes of one request: a form of several photos. Each photo has its own, smaller limit."""


def create_app(
    config: Config | None = None,
    classifier: Classifier | None = None,
    others: Iterable[Classifier] = (),
) -> Flask:
    """The WSGI app. `config` is read from the environment when not given; for tests, `classifier` and `others` replace the live models."""
    if config is None:
        warn_of_unknown_settings()
        config = Config.from_env()
    app = Flask("webapp", instance_path=str(config.data))
    app.request_class = CarefulRequest
    _configure(app, config)
    ext.init_app(app, config, [classifier, *others] if classifier else [], photo_json)
    _open_database(app)
    compress_answers(app)
    throttle.init_app(app, config)
    app.before_request(allow_large_requests)  # before the forms are read
    csrf = CSRFProtect(app)
    login.init_app(app)
    layout.init_app(app)
    for view in (
        upload,
        gallery,
        heat,
        bulk,
        relabel,
        review,
        suspects,
        stats,
        retention,
        jobs,
        export,
        label_import,
        login,
        users,
        log,
        keys,
        webhooks,
        models,
        versions,
        merges,
        label_sets,
        imports,
        layout,
    ):
        app.register_blueprint(view.bp)
    for door in (api_photos, api_labels, api_models, api_export, api_stats, api_jobs):
        csrf.exempt(door.bp)
        app.register_blueprint(door.bp, url_prefix="/api/v1")
    app.register_blueprint(api_reference.bp, url_prefix="/api/v1")
    app.register_blueprint(api_health.bp)
    if config.legacy_routes:
        csrf.exempt(api_legacy.bp)
        app.register_blueprint(api_legacy.bp)
    for command in (
        cli_photos,
        cli_demo,
        cli_model,
        cli_users,
        cli_keys,
        cli_stats,
        cli_jobs,
        cli_webhooks,
        cli_operate,
    ):
        app.register_blueprint(command.bp)
    _answer_errors(app)
    app.after_request(add_headers)
    if config.proxies:
        app.wsgi_app = ProxyFix(
            app.wsgi_app,
            x_for=config.proxies,
            x_proto=config.proxies,
            x_host=config.proxies,
            x_prefix=config.proxies,
        )  # type: ignore[method-assign]
    return app


class CarefulRequest(Request):
    """Large files of a form wait in the data folder: the one for temporary files may be a small disk in memory."""

    def _get_file_stream(self, *_hints: object, **_more: object) -> IO[bytes]:
        return SpooledTemporaryFile(
            max_size=SPOOLED_FROM, mode="rb+", dir=current_app.instance_path
        )


class CarefulJSON(DefaultJSONProvider):
    """JSON in the order it was written. A body that is nested too deeply to be read is one that cannot be read, not a fault of ours."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises `ValueError`."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _configure(app: Flask, config: Config) -> None:
    app.config.update(
        SECRET_KEY=config.secret_key,
        SQLALCHEMY_DATABASE_URI=config.database,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 8, "max_overflow": config.threads + 8},
        MAX_CONTENT_LENGTH=MAX_REQUEST,
        SESSION_COOKIE_NAME="marque",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.tls,
        PERMANENT_SESSION_LIFETIME=60 * 60 * 24 * 14,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.json = CarefulJSON(app)
    app.session_interface = Sessions()
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def _open_database(app: Flask) -> None:
    db.init_app(app)
    with app.app_context():
        sqlite_connection.set_up(db.engine)
    Migrate(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    app.teardown_request(_tidy)


def _tidy(_error: BaseException | None = None) -> None:
    """After each request: give the connection back, then fold a large write-ahead log into the database."""
    db.session.remove()
    checkpoint_if_large()


def _for_a_machine() -> bool:
    """True when an error is to be told in JSON. The form of one of the old doors answers with a page, unless JSON was asked for."""
    form = request.path == "/predict" and request.mimetype == "multipart/form-data"
    return request.path.startswith(JSON_PATHS) and (not form or wants_json())


def _answer_errors(app: Flask) -> None:
    """Every error has one shape for machines and one for people; which one, the path tells."""

    def answer(error: Exception) -> Response:
        if isinstance(error, OperationalError):
            app.logger.error("database: %s", error.orig)
            error = ServerBusyError(
                "The history cannot be read just now. Try again in a moment.", retry_after=5
            )
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            error = StorageFullError(
                "The server's disk is full or cannot be written. Nothing was stored: tell the admin."
            )
        if type(error).__module__.startswith(
            "gunicorn.http"
        ):  # a body cut into chunks that make no sense: found while reading it
            error = BadRequest()
        if not isinstance(error, MarqueError | HTTPException):
            app.logger.error(
                "unexpected error on %s %s", request.method, request.path, exc_info=error
            )
            error = InternalServerError()
        return (api_errors if _for_a_machine() else view_errors).answer(error)

    for kind in (MarqueError, HTTPException, Exception):
        app.register_error_handler(kind, answer)
    if not app.debug:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
