"""Imports a network: finds its file and labels, and publishes it as a version."""

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from importlib.util import find_spec
from pathlib import Path

from webapp.errors import BadCardError, ModelRefusedError, ModelUnavailableError
from webapp.inference.model_import.labelled_photos import find_photos
from webapp.inference.model_import.labels import read_labels
from webapp.inference.models import bundle
from webapp.inference.models.card import (
    CARD_FILE,
    COMPILED_FILE,
    KERAS_FILE,
    NAME_PATTERN,
    InputSpec,
    Label,
    ModelCard,
    ResizeRule,
    VersionCard,
)
from webapp.inference.models.detector_card import DetectorCard, read_card
from webapp.inference.models.golden import write_golden
from webapp.inference.models.publish import (
    DEFAULT_LIMITS,
    GOLDEN_FOLDER,
    ChildLimits,
    publish,
    run_child,
)
from webapp.inference.models.registry import check_files

PREPROCESSING = ("auto", "none", "unit", "minus-one-to-one", "caffe", "torch")
ENDINGS = (".keras", ".h5", ".hdf5")
REQUEST_FILE, ANSWER_FILE = "request.json", "answer.json"
_LABEL_FILES = (
    *("labels.txt", "labels.json", "class_indices.json", "classes.txt", "classes.json"),
    *("class_names.txt", "class_names.json"),
)
# gigabytes of address space to load a file in: a base, and more for each gigabyte of the file, so
# that a huge layer without weights fails soon
_MEMORY, _MEMORY_FACTOR = 6, 40
_SOURCE = "Imported: where its photos came from is not known"
TEACHABLE_MACHINE = "teachable-machine"
# names of networks that it exports, with labels such as "0 Class 1" beside them
_TEACHABLE_FILES = ("keras_model.h5", "model_unquant.tflite")


@dataclass(frozen=True)
class Request:
    """What to import and what is known about it.

    `labels` is a file, a comma list, or "" when they lie beside the network. `preprocess` is how
    photos were prepared in training, one of `PREPROCESSING`; "auto" takes what the network tells,
    or else what fits `photos`, a folder with a folder of photos for each label. `size` is (height,
    width) for a network that takes any size.
    """

    source: Path
    labels: str = ""
    name: str = ""
    title: str = ""
    preprocess: str = "auto"
    size: tuple[int, int] | None = None
    resize: ResizeRule = "stretch"
    threshold: float = 0.5
    photos: Path | None = None


@dataclass(frozen=True)
class _Imported:
    """The new version, and notes for the person who imported it."""

    name: str
    version: int
    notes: list[str]


def import_model(
    request: Request,
    models: Path,
    *,
    live: bool = False,
    limits: ChildLimits = DEFAULT_LIMITS,
) -> _Imported:
    """Import a network or an exported version; it serves if it is the first of its name and `live`.

    Raises `ModelRefusedError` with one sentence, and leaves nothing behind then.
    """
    if find_spec("tensorflow") is None:
        raise ModelRefusedError(
            "Importing needs what requirements.txt lists (tensorflow is missing)."
        )
    prefix = "marque-import-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=limits.temporary) as temporary:
        work = Path(temporary)
        folder = _open(request.source, work)
        card: ModelCard | DetectorCard
        notes: list[str] = []
        if folder is not None and (folder / CARD_FILE).is_file():
            draft, card = folder, _exported_card(folder, request)
        else:
            file, labels_file = _find(request.source, folder)
            labels, numbered = read_labels(request.labels, labels_file)
            maker = TEACHABLE_MACHINE if numbered and file.name in _TEACHABLE_FILES else ""
            card, notes = _rebuild(file, labels, maker, request, work, limits)
            draft = work
            write_golden(draft / GOLDEN_FOLDER)
        version = publish(draft, card, models, first_is_live=live, limits=limits)
        return _Imported(card.name, version, notes)


def _open(source: Path, work: Path) -> Path | None:
    """The folder: `source` itself or its unpacked zip; None when it is a single network file."""
    if source.is_dir():
        for path in source.rglob("*"):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ModelRefusedError(f"{path.relative_to(source)} is a link and not a file.")
        return source
    try:
        with zipfile.ZipFile(source) as archive:
            if "config.json" in archive.namelist() or source.suffix == ".keras":
                return None
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError):
        if source.suffix == ".zip":
            raise ModelRefusedError(f"{source.name} is not a whole zip file.") from None
        return None
    folder = work / "bundle"
    folder.mkdir()
    bundle.unpack(source, folder)
    return folder


def _find(source: Path, folder: Path | None) -> tuple[Path, Path | None]:
    """The network's file, and the file of labels beside it if there is one."""
    if folder is None:
        return source, None
    paths = sorted(folder.rglob("*"))
    files = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    networks = [path for path in files if path.suffix in ENDINGS]
    if not networks and any(path.name == "saved_model.pb" for path in files):
        raise ModelRefusedError(
            f"{source.name} is a SavedModel, which can carry code. "
            "Save it as one file: model.save('model.keras')."
        )
    if len(networks) != 1:
        names = ", ".join(path.name for path in networks) or "none"
        raise ModelRefusedError(
            f"One Keras file ({', '.join(ENDINGS)}) is needed in {source.name}; there are: {names}."
        )
    labels = (path for name in _LABEL_FILES for path in files if path.name == name)
    return networks[0], next(labels, None)


def _rebuild(
    file: Path,
    labels: tuple[str, ...],
    maker: str,
    request: Request,
    work: Path,
    limits: ChildLimits,
) -> tuple[ModelCard, list[str]]:
    """A card without figures, and notes, once the child has rebuilt `model.keras` in `work`."""
    copy = work / f"imported{_ending(file)}"
    shutil.copyfile(file, copy)
    with copy.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    orders = {"file": copy.name, "labels": len(labels), "maker": maker, "size": request.size}
    orders |= {"preprocess": request.preprocess, "resize": request.resize}
    orders |= {"photos": find_photos(request.photos, labels)}
    (work / REQUEST_FILE).write_text(json.dumps(orders), encoding="utf-8")
    card = _card(labels, request)
    _check(card)  # a wrong name or label is noticed before the minutes that follow
    gigabytes = min(limits.gigabytes, _MEMORY + copy.stat().st_size * _MEMORY_FACTOR // 1024**3)
    try:
        run_child("webapp.inference.model_import.child", work, replace(limits, gigabytes=gigabytes))
    except ModelRefusedError as error:  # the child knows the file by the name of its copy
        raise ModelRefusedError(re.sub(f"^{copy.name}", lambda _: file.name, str(error))) from error
    answer = json.loads((work / ANSWER_FILE).read_text(encoding="utf-8"))
    notes = answer["notes"]
    origin = {key: answer[key] for key in ("weights", "preprocess")}
    card = replace(
        card,
        input=replace(card.input, height=answer["height"], width=answer["width"]),
        limits=(*card.limits, *notes),
        training={"imported": {"file": file.name, "sha256": digest, **origin}},
    )
    _check(card)
    return card, notes


def _card(labels: tuple[str, ...], request: Request) -> ModelCard:
    """The card of a network without figures; its input size is filled in later."""
    name = re.sub(r"[^a-z0-9._]+", "-", request.source.stem.lower()).strip("-._")[:60]
    name = request.name or name or "imported"
    return ModelCard(
        name=name,
        version=1,
        title=request.title or name.replace("-", " ").replace("_", " ").capitalize(),
        noun="class",
        noun_plural="classes",
        question="What is this?",
        summary=f"Imported from {request.source.name}; not measured here.",
        labels=tuple(  # names of folders get spaces and a capital
            Label(label, label.replace("_", " ").capitalize())
            if re.fullmatch(r"[a-z0-9_]+", label)
            else Label(label, label)
            for label in labels
        ),
        input=InputSpec(64, 64, request.resize),
        temperature=1.0,
        threshold=request.threshold,
        limits=(
            "Not measured here. Nobody has compared its confidence with how often it is right.",
        ),
        data=({"source": _SOURCE, "photos": 0, "licence": "not stated", "note": ""},),
        libraries={library: library_version(library) for library in ("keras", "numpy", "pillow")},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _check(card: VersionCard) -> None:
    if not re.fullmatch(NAME_PATTERN, card.name):
        raise ModelRefusedError(
            "A model's name must be lower-case letters, digits, dots, dashes or underscores, "
            f"not {card.name!r}."
        )
    try:
        card.check()
    except BadCardError as error:
        raise ModelRefusedError(f"It cannot become a version: {error}.") from error


def _ending(file: Path) -> str:
    """How the name of a .keras archive or an HDF5 file should end, whatever it is called: Keras
    tells them by that. Raises `ModelRefusedError` for another file."""
    try:
        with file.open("rb") as stream:
            mark = stream.read(8)
    except OSError as error:
        raise ModelRefusedError(f"{file.name} cannot be read: {error.strerror}.") from error
    if mark.startswith(b"PK\x03\x04"):
        return ".keras"
    if mark == b"\x89HDF\r\n\x1a\n":
        return ".h5"
    if not mark:
        raise ModelRefusedError(f"{file.name} is empty.")
    if mark[:1] == b"\x80" and mark[1:2] in b"\x02\x03\x04\x05":
        raise ModelRefusedError(
            f"{file.name} is a Python pickle, which can run any code. Save the network as .keras."
        )
    if mark[4:8] == b"TFL3":
        raise ModelRefusedError(
            f"{file.name} is a compiled network (.tflite); import the Keras file it was made from."
        )
    raise ModelRefusedError(f"{file.name} is neither a .keras archive nor an HDF5 file.")


def _exported_card(folder: Path, request: Request) -> ModelCard | DetectorCard:
    """The card of a version that was exported elsewhere: its files stay as they are, and are
    checked again."""
    try:
        card = read_card(folder)
        files = (KERAS_FILE, COMPILED_FILE, *card.companions, *card.golden_files)
        check_files(folder, card, files)
    except (BadCardError, ModelUnavailableError) as error:
        raise ModelRefusedError(
            f"{request.source.name} is not a whole version: {error}."
        ) from error
    card = replace(card, name=request.name or card.name, title=request.title or card.title)
    _check(card)
    return card
