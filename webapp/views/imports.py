"""Networks from elsewhere come in: the form for admins, and how each import stands while the gate looks at it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from webapp.delivery import retry_after, status_of
from webapp.errors import BadRequestError, MarqueError, ModelRefusedError
from webapp.ext import get_config
from webapp.inference.card import RESIZE_RULES
from webapp.inference.foreign import ENDINGS, PREPROCESSING
from webapp.services.errands import RUNNING, SUCCEEDED
from webapp.views import guards
from webapp.views.versions import REFRESH, errands

bp = Blueprint("imports", __name__, url_prefix="/imports")
KIND = "import"
MAX_BYTES = 1024**3
"""Of a network's file: an EfficientNetB7 with its optimiser has less."""
FILE_ENDINGS = (*ENDINGS, ".zip")


def let_large_files_in() -> None:
    """Before anything reads the form: an admin may send a network, which is larger than what everybody may send."""
    if request.endpoint == "imports.take" and (somebody := guards.person()) and somebody.is_admin:
        request.max_content_length = MAX_BYTES


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """The form, and the last imports."""
    return _page()


@bp.post("")
@guards.admins_only
def take() -> ResponseReturnValue:
    """Take a file and let the gate look at it beside the web process. What is refused at once is said above the form."""
    try:
        _check_ready()
        words = _words(request.form)
        errand_id = _start(request.files.get("file"), request.files.get("labels_file"), words)
    except MarqueError as error:
        wait = retry_after(error)
        return _page(error), status_of(error), {"Retry-After": str(wait)} if wait else {}
    return redirect(url_for(".one", errand_id=errand_id), 303)


@bp.get("/<errand_id>")
@guards.admins_only
def one(errand_id: str) -> ResponseReturnValue:
    """How an import stands. While the gate looks, the page asks for itself again."""
    errand = errands().get(errand_id)
    page = render_template("imports/one.html", errand=errand, made=json.loads(errand.output) if errand.state == SUCCEEDED else None)
    return page, 200, {"Refresh": REFRESH} if errand.state == RUNNING else {}


def _page(error: MarqueError | None = None) -> str:
    return render_template(
        "imports/index.html",
        error=error,
        kept=request.form,
        trouble=_trouble(),
        imports=errands().all(KIND),
        preprocessing=PREPROCESSING,
        resize_rules=RESIZE_RULES,
        endings=FILE_ENDINGS,
        most=MAX_BYTES,
    )


def _trouble() -> str:
    """Why this server cannot import at all; "" when it can."""
    if find_spec("tensorflow") is None or find_spec("h5py") is None:
        return "This server was installed to serve only: it has no TensorFlow to open a network with."
    if not os.access(get_config().models, os.W_OK):
        return "The models folder of this server is missing or read-only."
    return ""


def _check_ready() -> None:
    if trouble := _trouble():
        raise ModelRefusedError(f"{trouble} Nothing was stored.")


def _start(file: FileStorage | None, labels_file: FileStorage | None, words: list[str]) -> str:
    """Lay the files into a fresh folder and start the command; returns the errand's id."""
    if file is None or not file.filename:
        raise BadRequestError("Choose a file: a network (.keras, .h5, .hdf5), or a zip with one.")
    name = file_name(file.filename)
    with closing(file.stream), errands().fresh() as sent:
        file.save(sent / name)
        labels = request.form.get("labels", "").strip()
        if labels_file is not None and labels_file.filename:
            ending = ".json" if labels_file.filename.lower().endswith(".json") else ".txt"
            labels_file.save(sent / f"labels{ending}")
            words = [*words, f"--labels={sent / f'labels{ending}'}"]
        elif labels:  # a file of ours, never a name: the command would take a name for a file on this server
            (sent / "labels.txt").write_text("\n".join(re.split(r"[,\r\n]+", labels)), encoding="utf-8")
            words = [*words, f"--labels={sent / 'labels.txt'}"]
        return errands().start(sent, KIND, ["model", "import", "--json", *words, "--", str(sent / name)], {"file": name}, guards.who())


def file_name(given: str) -> str:
    """A name of our own for an uploaded network, like the one it had. Raises `BadRequestError` for an ending that no network has."""
    path = Path(given.replace("\\", "/"))
    if path.suffix.lower() not in FILE_ENDINGS:
        raise BadRequestError(f"A network is a file that ends in {', '.join(ENDINGS)}, or a zip with one; {path.name[:80]!r} is neither.")
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:60] or "model") + path.suffix.lower()


def _words(form: Mapping[str, str]) -> list[str]:
    """The options of the command. Raises `BadRequestError` for what makes no sense."""
    values: dict[str, Any] = {key: form.get(key, "").strip() for key in ("name", "title", "preprocess", "size", "resize")}
    threshold = form.get("threshold", "").strip() or "50"
    if not threshold.isdecimal() or int(threshold) > 100:
        raise BadRequestError("The confidence below which it says nothing is a whole percentage, 0 to 100.")
    if values["size"] and not re.fullmatch(r"\d{1,5}[x×]\d{1,5}", values["size"]):
        raise BadRequestError(f"A size is height x width in pixels, such as 224x224, not {values['size'][:40]!r}.")
    for key, allowed in (("preprocess", PREPROCESSING), ("resize", RESIZE_RULES)):
        if values[key] and values[key] not in allowed:
            raise BadRequestError(f"There is no {key} called {values[key][:40]!r}.")
    return [f"--{key}={value}" for key, value in values.items() if value] + [f"--threshold={int(threshold) / 100}"]
