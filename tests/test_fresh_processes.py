"""What a new process loads. import-linter checks the imports one by one: see pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def loaded_by(program: str, data: Path) -> set[str]:
    """The names of all modules that a new Python has loaded at the end of the program."""
    code = f"{program}\nimport sys\nprint('\\n'.join(sys.modules))"
    env = {"MARQUE_DATA": str(data), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_web_process_loads_neither_tensorflow_nor_the_training(tmp_path: Path) -> None:
    modules = loaded_by("import wsgi", tmp_path)
    assert "webapp.app" in modules
    unwanted = ("tensorflow", "keras", "webapp.training.")
    assert not [name for name in modules if name.startswith(unwanted)]


def test_a_process_that_classifies_a_folder_loads_no_web_framework(tmp_path: Path) -> None:
    modules = loaded_by("import webapp.inference.process_pool_child", tmp_path)
    assert not modules & {"flask", "sqlalchemy", "tensorflow", "click"}


def test_a_version_can_be_evaluated_where_only_serving_is_installed(tmp_path: Path) -> None:
    absent = ("scipy", "scipy.io", "keras", "tensorflow", "tqdm", "h5py")
    needed = ("evaluation.evaluation", "evaluation.files", "evaluation.report_text", "readers")
    imports = ", ".join(f"webapp.training.{name}" for name in needed)
    hide = f"import sys; sys.modules.update(dict.fromkeys({absent}))"
    assert "webapp.training.evaluation.evaluation" in loaded_by(
        f"{hide}\nimport {imports}", tmp_path
    )
