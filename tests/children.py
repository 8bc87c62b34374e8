"""Publishing and importing without child processes, each of which loads TensorFlow for seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from webapp.errors import MarqueError, ModelRefusedError
from webapp.inference.model_import import child, model_import
from webapp.inference.models import publish, publish_child


@contextmanager
def children_in_this_process() -> Iterator[None]:
    """Do what child processes do here, without their limits.

    tests/inference/models/test_publish.py and tests/cli/models/test_model_import.py have real ones.
    """
    tasks = {publish_child.__name__: publish_child._complete, child.__name__: child._import}

    def run(module: str, folder: Path, _limits: publish.ChildLimits) -> None:
        try:
            tasks[module](folder)
        except MarqueError as error:
            raise ModelRefusedError(str(error)) from error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "run_child", run)
        patch.setattr(model_import, "run_child", run)
        yield
