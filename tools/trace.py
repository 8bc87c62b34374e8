"""Trace one upload and one relabel, by JSON and by form: files of the app passed, SQL statements.

    python tools/trace.py [FOLDER] [--stand-in] [--list]

The app of the checkout in FOLDER runs in this process on an empty database with its real models,
f1-teams for the site; with `--stand-in` with one model whose network is the tests' stand-in. Each
request is made once before, so that what is loaded on first need does not count. A file is passed
when one of its functions is entered while the request is answered. BEGIN, COMMIT and ROLLBACK are
counted apart from statements. `--list` prints the files and the statements.
"""

import argparse
import os
import re
import sys
import tempfile
import threading
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Engine, event

_PASSWORD = "traced only here"  # noqa: S105
_CONTROL = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA)\b", re.IGNORECASE)


class _Trace:
    """What happens in a `with` block: files below `folder` entered, statements, transactions."""

    def __init__(self, folder: Path) -> None:
        self.folder = f"{folder}{os.sep}"
        self.files: set[str] = set()
        self.statements: list[str] = []
        self.transactions: list[str] = []
        self._listeners = {
            "before_cursor_execute": lambda *call: self._execute(call[2]),
            "begin": lambda _connection: self.transactions.append("BEGIN"),
            "commit": lambda _connection: self.transactions.append("COMMIT"),
            "rollback": lambda _connection: self.transactions.append("ROLLBACK"),
        }

    def __enter__(self) -> "_Trace":
        for name, listener in self._listeners.items():
            event.listen(Engine, name, listener)
        threading.setprofile(self._enter_function)
        sys.setprofile(self._enter_function)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
        for name, listener in self._listeners.items():
            event.remove(Engine, name, listener)

    def _execute(self, statement: str) -> None:
        if not _CONTROL.match(statement):
            self.statements.append(" ".join(statement.split()))

    def _enter_function(self, frame: FrameType, what: str, _argument: object) -> None:
        path = frame.f_code.co_filename
        if what == "call" and path.startswith(self.folder) and frame.f_code.co_name != "<module>":
            self.files.add(path.removeprefix(self.folder))


def _make_app(root: Path, data: str, *, stand_in: bool) -> Any:
    """The app of the checkout, set by environment variables, writing into `data`."""
    models = f"{data}/models" if stand_in else f"{root}/models"
    os.environ |= {"MARQUE_DATA": data, "MARQUE_MODELS": models, "MARQUE_MODEL": "f1-teams"}
    os.environ["MARQUE_ADMIN_PASSWORD"] = _PASSWORD
    create_app = import_module("webapp.app").create_app
    if not stand_in:
        return create_app()
    config = import_module("webapp.config").Config
    classifier = import_module("tests.fakes").FakeClassifier()
    import_module("tests.conftest").install(classifier.card, Path(models))
    return create_app(getattr(config, "from_env", config)(), classifier)


def _trace_requests(root: Path, app: Any) -> dict[str, _Trace]:
    """A trace of each of the four requests, by its name."""
    app.config["WTF_CSRF_ENABLED"] = False
    runner, visitor, admin = app.test_cli_runner(), app.test_client(), app.test_client()
    runner.invoke(args=["prepare"])
    made = runner.invoke(args=["keys", "create", "trace", "--scope", "review"])
    key = {"Authorization": f"Bearer {made.output.split()[-1]}"}
    _expect(admin.post("/login", data={"name": "admin", "password": _PASSWORD}), 302, 303)
    pictures = sorted((root / "webapp/static/samples").glob("*.jpg"))
    photos: list[str] = []

    def upload_by_json() -> None:
        with pictures.pop().open("rb") as file:
            answer = visitor.post("/api/v1/photos", data={"file": (file, "car.jpg")})
        photos.append(_expect(answer, 201).json["id"])

    def upload_by_form() -> None:
        with pictures.pop().open("rb") as file:
            _expect(visitor.post("/", data={"file": (file, "car.jpg")}), 303)

    def relabel_by_json() -> None:
        path, label = f"/api/v1/photos/{photos.pop()}/ground-truth", {"label": "ferrari"}
        _expect(visitor.put(path, json=label, headers=key), 200)

    def relabel_by_form() -> None:
        path, label = f"/photos/{photos.pop()}/label", {"label": "haas", "model": "f1-teams"}
        _expect(admin.post(path, data=label), 302, 303)

    upload_by_json()
    upload_by_json()
    traces = {}
    for request in (upload_by_json, upload_by_form, relabel_by_json, relabel_by_form):
        request()
        with _Trace(root / "webapp") as traces[request.__name__.replace("_", " ")]:
            request()
    return traces


def _expect(answer: Any, *statuses: int) -> Any:
    """The answer of a test client, when it has one of these statuses."""
    if answer.status_code not in statuses:
        raise SystemExit(f"{answer.request.path}: {answer.status}\n{answer.text[:2000]}")
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("\n\n")[1].strip())
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    root = options.folder.resolve()
    sys.path[0] = str(root)
    with tempfile.TemporaryDirectory() as data:
        traces = _trace_requests(root, _make_app(root, data, stand_in=options.stand_in))
    for name, trace in traces.items():
        figures = f"{len(trace.files):>3} files {len(trace.statements):>3} statements"
        sys.stdout.write(f"{name:16} {figures}   {' '.join(trace.transactions)}\n")
        if options.list:
            sys.stdout.writelines(f"    {line}\n" for line in sorted(trace.files))
            sys.stdout.writelines(f"    {line[:140]}\n" for line in trace.statements)


if __name__ == "__main__":
    main()
