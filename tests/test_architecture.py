"""The walls between the rooms: who may import whom, and what a fresh process loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_front_hall_is_a_docstring() -> None:
    tree = ast.parse((ROOT / "webapp" / "__init__.py").read_text())
    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


def loaded_after(statement: str, tmp_path: Path) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    env = {"MARQUE_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_inference_room_loads_no_web_framework(tmp_path: Path) -> None:
    assert not loaded_after("import webapp.inference.decoding.images", tmp_path) & {
        "flask",
        "sqlalchemy",
        "tensorflow",
    }


def test_a_process_that_ranks_a_folder_loads_no_web_framework(tmp_path: Path) -> None:
    modules = loaded_after("import webapp.inference.process_pool_child", tmp_path)
    assert not modules & {"flask", "sqlalchemy", "tensorflow", "click"}


def test_a_web_process_loads_neither_tensorflow_nor_the_training_room(tmp_path: Path) -> None:
    modules = loaded_after("import wsgi", tmp_path)
    assert "webapp.app" in modules
    assert not [
        name for name in modules if name.startswith(("tensorflow", "keras", "webapp.training."))
    ]


def test_a_version_can_be_evaluated_where_photos_are_only_served(tmp_path: Path) -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(['scipy', 'keras', 'tensorflow', 'tqdm', 'h5py', 'scipy.io']))"
    rooms = ", ".join(
        f"webapp.training.{name}"
        for name in (
            "exam",
            "exam_files",
            "exam_questions",
            "exam_report",
            "exam_words",
            "readers",
            "recipe",
        )
    )
    assert "webapp.training.evaluation.evaluation" in loaded_after(
        f"{absent}\nimport {rooms}", tmp_path
    )
