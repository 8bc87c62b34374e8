"""The walls between the rooms: who may import whom, and what a fresh process loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "errors": set(),
    "values": set(),
    "config": {"errors"},
    "cells": set(),
    "charts": set(),
    "curves": {"charts"},
    "inference": {"errors", "values"},
    "storage": {"errors", "values"},
    "training": {"errors", "values", "cells", "charts", "curves", "inference"},
    "services": {"errors", "values", "cells", "charts", "curves", "storage", "inference"},
    "bell": {"config"},
    "ext": {"bell", "config", "errors", "values", "storage", "inference"},
    "delivery": {"errors", "values", "ext"},
    "throttle": {"errors", "values", "ext"},
    "packing": set(),
    "views": {"errors", "values", "charts", "curves", "ext", "delivery", "throttle", "services", "inference"},
    "api": {"errors", "values", "ext", "delivery", "throttle", "services", "inference"},
    "cli": {"errors", "values", "cells", "charts", "ext", "services", "inference", "training"},
    "tasks": {"errors", "values", "bell", "ext", "services", "training"},
    "app": {"config", "errors", "ext", "delivery", "packing", "throttle", "views", "api", "cli", "storage", "inference"},
    "worker": {"app", "bell", "config", "errors", "services", "tasks"},
    "serve": set(),
}
FLASK_FREE = {"bell", "serve", "errors", "values", "config", "cells", "charts", "curves", "inference", "training", "services", "storage"}
MAY_USE_FLASK_SQLALCHEMY = {"webapp/storage/database.py"}
LATE_IMPORTS = {
    "webapp/ext.py",
    "webapp/cli/model.py",
    "webapp/cli/dataset.py",
    "webapp/cli/evaluate.py",
    "webapp/cli/importing.py",
    "webapp/cli/search.py",
}
MODULES = sorted((ROOT / "webapp").rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "webapp").with_suffix("").parts
    return parts[0]


def imports_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]


def names_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        if node.module == "webapp":
            return [f"webapp.{alias.name}" for alias in node.names]
        return [node.module or ""]
    return [alias.name for alias in node.names]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = room_of(path)
    for node in imports_of(path):
        for name in names_of(node):
            if name.split(".")[0] != "webapp" or name == "webapp":
                continue
            other = name.split(".")[1]
            assert other == room or other in ALLOWED[room], f"{path.name}: {room} may not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_written_in_full(path: Path) -> None:
    assert not [node for node in imports_of(path) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_below_the_line_there_is_no_flask(path: Path) -> None:
    if room_of(path) in FLASK_FREE and str(path.relative_to(ROOT)) not in MAY_USE_FLASK_SQLALCHEMY:
        roots = {name.split(".")[0] for node in imports_of(path) for name in names_of(node)}
        assert not {name for name in roots if name.startswith("flask")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stand_at_the_top(path: Path) -> None:
    if str(path.relative_to(ROOT)) in LATE_IMPORTS:
        return
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [inner for one in functions for inner in ast.walk(one) if isinstance(inner, ast.Import | ast.ImportFrom)]


def test_the_front_hall_is_a_docstring() -> None:
    tree = ast.parse((ROOT / "webapp" / "__init__.py").read_text())
    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


def loaded_after(statement: str, tmp_path: Path) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    env = {"MARQUE_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_inference_room_loads_no_web_framework(tmp_path: Path) -> None:
    assert not loaded_after("import webapp.inference.images", tmp_path) & {"flask", "sqlalchemy", "tensorflow"}


def test_a_web_process_loads_neither_tensorflow_nor_the_training_room(tmp_path: Path) -> None:
    modules = loaded_after("import wsgi", tmp_path)
    assert "webapp.app" in modules
    assert not [name for name in modules if name.startswith(("tensorflow", "keras", "webapp.training."))]


def test_a_version_can_be_evaluated_where_photos_are_only_served(tmp_path: Path) -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(['scipy', 'keras', 'tensorflow', 'tqdm', 'h5py', 'scipy.io']))"
    rooms = ", ".join(
        f"webapp.training.{name}" for name in ("exam", "exam_files", "exam_questions", "exam_report", "exam_words", "readers", "recipe")
    )
    assert "webapp.training.exam" in loaded_after(f"{absent}\nimport {rooms}", tmp_path)
