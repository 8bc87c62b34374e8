"""The publishing gate: a Keras model and a draft card become a version, checked and compiled in a child process, or nothing at all."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import webapp
from webapp.errors import ModelRefusedError
from webapp.inference.model_import.keras_archive import check_archive
from webapp.inference.models.card import (
    CARD_FILE,
    COMPILED_FILE,
    FAMILIARITY_FILE,
    KERAS_FILE,
    ModelCard,
)
from webapp.inference.models.held_out import Split, write_split
from webapp.inference.models.registry import Registry

GOLDEN_FOLDER = "golden"
REFUSAL_FILE = "refused.txt"
SECONDS = 900  # a ResNet compiles in two minutes; longer is a hostile or broken file
GIGABYTES = 16  # of address space, of which TensorFlow reserves several before it starts


def publish(
    keras_file: Path,
    card: ModelCard,
    golden: list[Path],
    models: Path,
    *,
    split: Split | None = None,
    compiled: Path | None = None,
    familiarity: Path | None = None,
    first_is_live: bool = True,
    seconds: int = SECONDS,
    gigabytes: int = GIGABYTES,
) -> int:
    """Publish `keras_file` as the next version of `card.name` in `models` and return its number.

    `golden` are small pictures of our own that travel with the version. The card's version, files, golden photos and libraries are filled
    in. `split` is the list of files it has learnt from and was measured on; `compiled` a network compiled elsewhere, which is checked
    and kept instead of compiling again; `familiarity` the file that belongs to the card's rule for it. The folder appears in one
    rename; the first version of a model becomes live (unless `first_is_live` is off), later ones do not. Raises `ModelRefusedError`,
    and leaves nothing behind, when the file cannot be loaded safely, does not fit the card, does not compile, or when the compiled
    network answers otherwise than Keras. The child is stopped after `seconds`, or when it asks for more than `gigabytes`.
    """
    if not golden:
        raise ModelRefusedError("A version needs at least one golden photo.")
    check_archive(keras_file)
    folder = models / card.name
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(prefix=".publishing-", dir=folder))
    try:
        number = max(Registry(models).versions(card.name), default=0) + 1
        _lay_out(waiting, keras_file, replace(card, version=number), golden)
        if split is not None:
            write_split(waiting, split)
        if compiled is not None:
            shutil.copyfile(compiled, waiting / COMPILED_FILE)
        if familiarity is not None:
            shutil.copyfile(familiarity, waiting / FAMILIARITY_FILE)
        _run_child(waiting, seconds, gigabytes)
        waiting.chmod(0o755)
        try:
            waiting.rename(folder / str(number))
        except OSError as error:
            raise ModelRefusedError(
                f"Version {number} of {card.name} was published by someone else meanwhile. Try again."
            ) from error
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
    if number == 1 and first_is_live:
        Registry(models).make_live(card.name, number)
    return number


def _lay_out(waiting: Path, keras_file: Path, card: ModelCard, golden: list[Path]) -> None:
    try:
        shutil.copyfile(keras_file, waiting / KERAS_FILE)
        (waiting / GOLDEN_FOLDER).mkdir()
        for path in golden:
            shutil.copyfile(path, waiting / GOLDEN_FOLDER / path.name)
    except OSError as error:
        raise ModelRefusedError(f"{error.filename} cannot be read: {error.strerror}.") from error
    (waiting / CARD_FILE).write_text(card.to_json(), encoding="utf-8")


def _run_child(waiting: Path, seconds: int, gigabytes: int) -> None:
    """Check and compile in a process of its own. Raises `ModelRefusedError` with the child's sentence, or with what stopped it."""
    run_child("webapp.inference.models.publish_child", waiting, [], seconds, gigabytes)


def run_child(
    module: str, folder: Path, arguments: list[str], seconds: int, gigabytes: int
) -> None:
    """Run a module of ours on `folder` in a process of its own, with `arguments`, seconds and gigabytes.

    Raises `ModelRefusedError` with the child's sentence (it lies in `REFUSAL_FILE`), or with what stopped it.
    """
    command = [sys.executable, "-m", module, str(folder), *arguments, str(seconds), str(gigabytes)]
    paths = [str(Path(webapp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith("MARQUE_")
    }  # keys and passwords stay here
    environment = ours | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ModelRefusedError(
                f"Checking and compiling took longer than {seconds} s and was stopped."
            ) from error
        finally:
            _stop(child)
        if child.returncode == 0:
            return
        refusal = folder / REFUSAL_FILE
        if refusal.is_file():
            raise ModelRefusedError(refusal.read_text(encoding="utf-8"))
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ModelRefusedError(
            f"Checking and compiling stopped with exit status {child.returncode}: {lines[-1][:300]}"
        )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child and what it started, if it still runs."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
