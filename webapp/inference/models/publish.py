"""Publishing: a Keras model and a draft card become a version, checked in a child process."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.keras_archive import check_archive
from webapp.inference.models.card import CARD_FILE, COMPILED_FILE, KERAS_FILE, VersionCard
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.held_out import read_split, write_split
from webapp.inference.models.registry import Registry
from webapp.inference.process_pool import child_environment

GOLDEN_FOLDER = "golden"
REFUSAL_FILE = "refused.txt"
_LOOK = 0.5  # seconds between two looks at a child
# of NumPy's libraries and TensorFlow
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
_PUBLISHING = ".publishing-"  # begins the name of a version's folder until it is whole


@dataclass(frozen=True)
class ChildLimits:
    """What a child process may use: seconds of time, gigabytes of address space, a folder for
    temporary files (None: that of the system), and threads to compute in (None: one for each core).
    `watch` is called while it runs; when that raises, the child is ended."""

    seconds: int = 900  # a ResNet compiles in two minutes; longer is a hostile or broken file
    gigabytes: int = 16  # TensorFlow reserves several before it starts
    temporary: Path | None = None
    threads: int | None = None
    watch: Callable[[], object] = lambda: None


DEFAULT_LIMITS = ChildLimits()


def publish(
    draft: Path,
    card: VersionCard,
    models: Path,
    *,
    first_is_live: bool = True,
    limits: ChildLimits = DEFAULT_LIMITS,
) -> int:
    """Publish a card and the files beside it as the next version of its model in `models`; returns
    its number.

    The folder `draft` is laid out like a version: the Keras model, golden photos, the file of the
    card's familiarity rule, the list of its training, validation and test files, and perhaps a
    network compiled elsewhere, which is checked and kept instead of compiling again. The card's
    version, files, golden photos and libraries are filled in.

    The version's folder appears in one rename. The first version of a model becomes live (unless
    `first_is_live` is off), later ones do not. Raises `ModelRefusedError`, and leaves nothing
    behind, when the file cannot be loaded safely, does not fit the card, does not compile within
    `limits`, or when the compiled network answers differently than Keras.
    """
    golden = [draft / file for file in card.golden_files]
    golden = golden or sorted((draft / GOLDEN_FOLDER).glob("*"))
    if not golden:
        raise ModelRefusedError("A version needs at least one golden photo.")
    check_archive(draft / KERAS_FILE)
    _check_kind(Registry(models), card)
    folder = models / card.name
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_PUBLISHING}*"):
        if left.stat().st_mtime < time.time() - 2 * DEFAULT_LIMITS.seconds:
            shutil.rmtree(left, ignore_errors=True)  # its process was killed
    temporary = Path(tempfile.mkdtemp(prefix=_PUBLISHING, dir=folder))
    try:
        number = max(Registry(models).versions(card.name), default=0) + 1
        _copy(draft, replace(card, version=number), golden, temporary)
        run_child("webapp.inference.models.publish_child", temporary, limits)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder / str(number))
        except OSError as error:
            raise ModelRefusedError(
                f"Version {number} of {card.name} was published by someone else meanwhile. "
                "Try again."
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
    if number == 1 and first_is_live:
        Registry(models).make_live(card.name, number)
    return number


def _check_kind(registry: Registry, card: VersionCard) -> None:
    """Raise `ModelRefusedError` when the versions of this name are of another kind."""
    detector = registry.is_detector(card.name)
    if registry.versions(card.name) and detector != isinstance(card, DetectorCard):
        kind = "a detector" if detector else "a model that names what it sees"
        raise ModelRefusedError(f"{card.name} is {kind}, and this is none. Choose another name.")


def _copy(draft: Path, card: VersionCard, golden: list[Path], folder: Path) -> None:
    """Copy what belongs to a version, and nothing else, from a draft into `folder`."""
    (folder / GOLDEN_FOLDER).mkdir()
    compiled = [COMPILED_FILE] if (draft / COMPILED_FILE).is_file() else []
    try:
        for name in (KERAS_FILE, *compiled, *card.companions):
            shutil.copyfile(draft / name, folder / name)
        for path in golden:
            shutil.copyfile(path, folder / GOLDEN_FOLDER / path.name)
    except OSError as error:
        raise ModelRefusedError(f"{error.filename} cannot be read: {error.strerror}.") from error
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")
    if split := read_split(draft, card):
        write_split(folder, split)


def run_child(
    module: str, folder: Path, limits: ChildLimits, what: str = "Checking and compiling"
) -> None:
    """Run a module on `folder` in a process of its own, which ends with this one; `what` it does is
    for people. Raises `ModelRefusedError` with the child's sentence from `REFUSAL_FILE`, or with
    what stopped it."""
    arguments = [str(folder), str(limits.seconds), str(limits.gigabytes), str(os.getpid())]
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2"}
    if limits.temporary:
        variables["TMPDIR"] = str(limits.temporary)
    if limits.threads:
        variables |= dict.fromkeys(_THREADS, str(limits.threads))
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=child_environment() | variables,
            start_new_session=True,
        )
        try:
            _wait(child, limits, what)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if child.returncode == 0:
            return
        refusal = folder / REFUSAL_FILE
        if refusal.is_file():
            raise ModelRefusedError(refusal.read_text(encoding="utf-8"))
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines() or ["no output"]
        raise ModelRefusedError(
            f"{what} stopped with exit status {child.returncode}: {lines[-1][:300]}"
        )


def _wait(child: subprocess.Popen[bytes], limits: ChildLimits, what: str) -> None:
    deadline = time.monotonic() + limits.seconds
    while time.monotonic() < deadline:
        limits.watch()
        with suppress(subprocess.TimeoutExpired):
            child.wait(_LOOK)
            return
    raise ModelRefusedError(f"{what} took longer than {limits.seconds} s and was stopped.")


def end_with_parent(parent: int) -> None:
    """Let this process, a child of `parent`, be killed on Linux when that ends, in any way."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit("The process that started this one is gone.")
