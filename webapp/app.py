"""The app factory: the only module that knows every layer."""

import errno
import logging
import os
import sys
from collections.abc import Iterable

from flask import Flask, Response, request
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import extensions
from webapp.api import blueprints as api
from webapp.api import problems
from webapp.api.schemas.photos import photo_json
from webapp.cli import blueprints as cli
from webapp.config import ROOT, Config, unknown_settings
from webapp.errors import MarqueError, ServerBusyError, StorageFullError
from webapp.http import rate_limits
from webapp.http.messages import (
    OrderedJSON,
    Sessions,
    SpoolingRequest,
    add_headers,
    allow_large_requests,
    compress_answers,
    wants_json,
)
from webapp.inference.classifier import Classifier
from webapp.legacy import routes as legacy
from webapp.storage import sqlite
from webapp.storage.database import db
from webapp.views import blueprints as views
from webapp.views import error_pages, layout
from webapp.views.accounts import login

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_JSON_PATHS = ("/api/", "/health/", "/ping", "/healthcheck", "/infer", "/predict")
_MAX_REQUEST = 220 * 1024 * 1024  # bytes of a form of several photos; each has its own limit


def create_app(
    config: Config | None = None,
    classifier: Classifier | None = None,
    others: Iterable[Classifier] = (),
) -> Flask:
    """The WSGI app. `config` is read from the environment when not given.

    For tests, `classifier` and `others` replace the live models.
    """
    if config is None:
        for sentence in unknown_settings(os.environ):
            print(f"marque: {sentence}", file=sys.stderr)  # noqa: T201
        config = Config.from_env()
    app = Flask("webapp", instance_path=str(config.data))
    app.request_class = SpoolingRequest
    _configure(app, config)
    extensions.init_app(app, config, [classifier, *others] if classifier else [], photo_json)
    _open_database(app)
    compress_answers(app)
    rate_limits.init_app(app, config)
    app.before_request(allow_large_requests)  # before the forms are read
    csrf = CSRFProtect(app)
    login.init_app(app)
    layout.init_app(app)
    for blueprint in (*views.BLUEPRINTS, *cli.BLUEPRINTS):
        app.register_blueprint(blueprint)
    for blueprint in (*api.BLUEPRINTS, api.REFERENCE):
        app.register_blueprint(blueprint, url_prefix="/api/v1")
    app.register_blueprint(api.HEALTH)
    for blueprint in api.BLUEPRINTS:
        csrf.exempt(blueprint)
    if config.legacy_routes:
        csrf.exempt(legacy.bp)
        app.register_blueprint(legacy.bp)
    _answer_errors(app)
    app.after_request(add_headers)
    if hops := config.proxies:
        proxy = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)
        app.wsgi_app = proxy  # type: ignore[method-assign]
    return app


def _configure(app: Flask, config: Config) -> None:
    app.config.update(
        SECRET_KEY=config.secret_key,
        SQLALCHEMY_DATABASE_URI=config.database,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 8, "max_overflow": config.threads + 8},
        MAX_CONTENT_LENGTH=_MAX_REQUEST,
        SESSION_COOKIE_NAME="marque",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.tls,
        PERMANENT_SESSION_LIFETIME=60 * 60 * 24 * 14,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.json = OrderedJSON(app)
    app.session_interface = Sessions()
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def _open_database(app: Flask) -> None:
    db.init_app(app)
    with app.app_context():
        sqlite.set_up()
    Migrate(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    app.teardown_request(sqlite.end_request)


def _answer_errors(app: Flask) -> None:
    """Every error has one shape for machines and one for people: the path tells which."""

    def answer(error: Exception) -> Response:
        if isinstance(error, OperationalError):
            app.logger.error("database: %s", error.orig)
            error = ServerBusyError(
                "The history cannot be read just now. Try again in a moment.", retry_after=5
            )
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            error = StorageFullError(
                "The server's disk is full or cannot be written. "
                "Nothing was stored: tell the admin."
            )
        if type(error).__module__.startswith("gunicorn.http"):  # while reading a chunked body
            error = BadRequest()
        if not isinstance(error, MarqueError | HTTPException):
            app.logger.error(
                "unexpected error on %s %s", request.method, request.path, exc_info=error
            )
            error = InternalServerError()
        # a form of an earlier service gets a page unless it asks for JSON
        form = request.path == "/predict" and request.mimetype == "multipart/form-data"
        json = request.path.startswith(_JSON_PATHS) and (not form or wants_json())
        return (problems if json else error_pages).answer(error)

    for kind in (MarqueError, HTTPException, Exception):
        app.register_error_handler(kind, answer)
    if not app.debug:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
