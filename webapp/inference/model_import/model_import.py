"""Networks from elsewhere: which file, which labels, and the way through the gate until it is a version like any other."""

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path

from webapp.errors import BadCardError, ModelRefusedError, ModelUnavailableError
from webapp.inference.models import bundle
from webapp.inference.models.card import (
    CARD_FILE,
    COMPILED_FILE,
    KERAS_FILE,
    InputSpec,
    Label,
    ModelCard,
)
from webapp.inference.models.golden import write_golden
from webapp.inference.models.held_out import read_split
from webapp.inference.models.publish import GIGABYTES, SECONDS, publish, run_child
from webapp.inference.models.registry import check_files

PREPROCESSING = ("auto", "none", "unit", "minus-one-to-one", "caffe", "torch")
ENDINGS = (".keras", ".h5", ".hdf5")
LABEL_FILES = (
    "labels.txt",
    "labels.json",
    "class_indices.json",
    "classes.txt",
    "classes.json",
    "class_names.txt",
    "class_names.json",
)
REQUEST_FILE, ANSWER_FILE = "request.json", "answer.json"
ZIP_MARK, HDF5_MARK = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
CHILD = "webapp.inference.model_import.child"
ROOM, ROOM_FOR_EACH = 6, 40
"""Gigabytes of address space to open a file in, and how many more for each gigabyte of it: an empty promise of a huge layer ends soon."""
LABELS_BYTES = 5 * 1024 * 1024
LONGEST_LABEL = 120


@dataclass(frozen=True)
class Request:
    """What to import and what is known about it. `labels` is a file, a comma list, or "" when they lie beside the network.

    `preprocess` is how photos were prepared when it was trained: see `PREPROCESSING`; "auto" takes 0..1 unless the network scales by
    itself. `size` is (height, width) for a network that takes any size.
    """

    source: Path
    labels: str = ""
    name: str = ""
    title: str = ""
    preprocess: str = "auto"
    size: tuple[int, int] | None = None
    resize: str = "stretch"
    threshold: float = 0.5


@dataclass(frozen=True)
class Imported:
    """The new version, and notes about what was found on the way."""

    name: str
    version: int
    notes: tuple[str, ...]


def import_model(
    request: Request,
    models: Path,
    *,
    live: bool = False,
    seconds: int = SECONDS,
    gigabytes: int = GIGABYTES,
) -> Imported:
    """Take a network or an exported version through the gate; it waits, unless it is the first of its name and `live` is set.

    Raises `ModelRefusedError` with one sentence; nothing stays behind then.
    """
    with tempfile.TemporaryDirectory(prefix="marque-import-") as place:
        work = Path(place)
        folder = _opened(request.source, work)
        if folder is not None and (folder / CARD_FILE).is_file():
            return _import_version(folder, request, models, live)
        file, labels_file = _find(request.source, folder)
        labels = read_labels(request.labels, labels_file)
        card, notes = _rebuild(file, labels, request, work, seconds, gigabytes)
        golden = write_golden(work / "golden")
        version = publish(
            work / KERAS_FILE,
            card,
            golden,
            models,
            first_is_live=live,
            seconds=seconds,
            gigabytes=gigabytes,
        )
        return Imported(card.name, version, tuple(notes))


def read_labels(text: str, beside: Path | None = None) -> tuple[str, ...]:
    """Label names in the order of the outputs: from a file or a comma list, else from the file beside the network.

    A file is a line for each label (Teachable Machine's "0 name" too), a JSON list, or JSON like Keras' `class_indices`
    ({"name": 0, …}). Raises `ModelRefusedError` that says what is wrong.
    """
    path = (Path(text) if _names_a_file(text) else None) if text else beside
    if path is not None:
        names = _labels_in(path)
    elif text:
        names = [one.strip() for one in text.split(",")]
    else:
        raise ModelRefusedError(
            "Say what the network's outputs mean: --labels FILE, or --labels first,second,third."
        )
    names = [name for name in names if name]
    for name in names:
        if len(name) > LONGEST_LABEL or not name.isprintable():
            raise ModelRefusedError(f"The label {name[:40]!r} is too long or not made of letters.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelRefusedError(f"The label {repeated[0]!r} is there twice.")
    if len(names) < 2:
        raise ModelRefusedError(
            f"A model needs at least two labels; {f'{path.name} has' if path else 'there are'} {len(names)}."
        )
    return tuple(names)


def _names_a_file(text: str) -> bool:
    try:
        return Path(text).suffix in (".txt", ".json") or Path(text).is_file()
    except OSError:  # a list of two hundred labels is too long for a file's name
        return False


def _labels_in(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LABELS_BYTES:
            raise ModelRefusedError(f"{path.name} is too large for a list of labels.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefusedError(
            f"The labels in {path.name} cannot be read: {getattr(error, 'strerror', None) or 'no text'}."
        ) from error
    if path.suffix == ".json":
        return _labels_in_json(text, path.name)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [re.fullmatch(r"(\d+)[\s:,]+(.+)", line) for line in lines]
    if lines and all(found and int(found[1]) == place for place, found in enumerate(numbered)):
        return [found[2] for found in numbered if found]
    return lines


def _labels_in_json(text: str, name: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(f"The labels in {name} are no JSON: {error}") from error
    if isinstance(value, dict):  # {"name": place} of Keras, or {"place": "name"}
        pairs = [
            (place, label) if isinstance(place, int) else (label, place)
            for label, place in value.items()
        ]
        order = {int(place): str(label) for place, label in pairs if str(place).isdecimal()}
        if sorted(order) != list(range(len(value))):
            raise ModelRefusedError(
                f"The labels in {name} must have the numbers 0 to {len(value) - 1}, each once."
            )
        return [order[place] for place in range(len(order))]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ModelRefusedError(
            f"{name} must hold a JSON list of names, or an object of names and numbers."
        )
    return value


def _opened(source: Path, work: Path) -> Path | None:
    """The folder to look into: `source` itself or the zip it is, unpacked; None when it is a single network file."""
    if source.is_dir():
        for one in source.rglob("*"):
            if one.is_symlink() or not (one.is_file() or one.is_dir()):
                raise ModelRefusedError(f"{one.relative_to(source)} is a link and not a file.")
        return source
    if not _is_bundle(source):
        return None
    folder = work / "bundle"
    folder.mkdir()
    bundle.unpack(source, folder)
    return folder


def _is_bundle(source: Path) -> bool:
    """True for a zip that is no .keras archive."""
    try:
        with zipfile.ZipFile(source) as archive:
            return "config.json" not in archive.namelist() and source.suffix != ".keras"
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError):
        if source.suffix == ".zip":
            raise ModelRefusedError(f"{source.name} is no whole zip file.") from None
        return False


def _find(source: Path, folder: Path | None) -> tuple[Path, Path | None]:
    """The network's file, and the file of labels beside it if there is one."""
    if folder is None:
        return source, None
    files = sorted(
        one for one in folder.rglob("*") if one.is_file() and not one.name.startswith(".")
    )
    networks = [one for one in files if one.suffix in ENDINGS]
    if any(one.name == "saved_model.pb" for one in files) and not networks:
        raise ModelRefusedError(
            f"{source.name} is a SavedModel, which can carry code. Save it as one file: model.save('model.keras')."
        )
    if len(networks) != 1:
        found = ", ".join(one.name for one in networks) or "none"
        raise ModelRefusedError(
            f"One Keras file ({', '.join(ENDINGS)}) is wanted in {source.name}; there are: {found}."
        )
    return networks[0], next(
        (one for name in LABEL_FILES for one in files if one.name == name), None
    )


def _rebuild(
    file: Path, labels: tuple[str, ...], request: Request, work: Path, seconds: int, gigabytes: int
) -> tuple[ModelCard, list[str]]:
    """Let the child rebuild the network as `model.keras` in `work`; returns a card without figures, and notes."""
    _check_kind(file)
    copy = work / "foreign"
    shutil.copyfile(file, copy)
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    wanted = {
        "file": copy.name,
        "labels": len(labels),
        "size": request.size,
        "preprocess": request.preprocess,
    }
    (work / REQUEST_FILE).write_text(json.dumps(wanted), encoding="utf-8")
    name = request.name or _name_for(request.source)
    card = _card(name, labels, request, InputSpec(64, 64, request.resize))
    _check(card)  # a wrong name or label is found before the minutes that follow
    try:
        run_child(
            CHILD,
            work,
            [],
            seconds,
            min(gigabytes, ROOM + copy.stat().st_size * ROOM_FOR_EACH // 1024**3),
        )
    except ModelRefusedError as error:  # the child knows the file by the name of its copy
        raise ModelRefusedError(
            re.sub(rf"^{copy.name}\b", lambda _found: file.name, str(error))
        ) from error
    answer = json.loads((work / ANSWER_FILE).read_text(encoding="utf-8"))
    notes = [*answer["notes"], *_about_scaling(request.preprocess, answer["preprocess"])]
    origin = {
        "file": file.name,
        "sha256": digest,
        "weights": answer["weights"],
        "preprocess": answer["preprocess"],
    }
    card = replace(
        card,
        input=replace(card.input, height=answer["height"], width=answer["width"]),
        limits=(*card.limits, *notes),
        training={"imported": origin},
    )
    _check(card)
    return card, notes


def _card(name: str, labels: tuple[str, ...], request: Request, spec: InputSpec) -> ModelCard:
    return ModelCard(
        name=name,
        version=1,
        title=request.title or name.replace("-", " ").replace("_", " ").capitalize(),
        noun="class",
        noun_plural="classes",
        question="What is this?",
        summary=f"Imported from {request.source.name}; not measured here.",
        labels=tuple(Label(one, _shown(one)) for one in labels),
        input=spec,
        temperature=1.0,
        threshold=request.threshold,
        limits=(
            "Not measured here. Nobody has compared its confidence with how often it is right.",
        ),
        data=(
            {
                "source": "Imported: where its photos came from is not known",
                "photos": 0,
                "licence": "not stated",
                "note": "",
            },
        ),
        libraries={library: library_version(library) for library in ("keras", "numpy", "pillow")},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _check(card: ModelCard) -> None:
    try:
        card.check()
    except BadCardError as error:
        raise ModelRefusedError(f"It does not make a version: {error}.") from error


def _check_kind(file: Path) -> None:
    """Raise `ModelRefusedError` for what is neither a .keras archive nor HDF5, whatever it is called."""
    try:
        with file.open("rb") as stream:
            mark = stream.read(8)
    except OSError as error:
        raise ModelRefusedError(f"{file.name} cannot be read: {error.strerror}.") from error
    if mark.startswith(ZIP_MARK) or mark == HDF5_MARK:
        return
    if not mark:
        raise ModelRefusedError(f"{file.name} is empty.")
    if mark[:1] == b"\x80" and mark[1:2] in b"\x02\x03\x04\x05":
        raise ModelRefusedError(
            f"{file.name} is a Python pickle, which can run any code. Save the network as .keras."
        )
    if mark[4:8] == b"TFL3":
        raise ModelRefusedError(
            f"{file.name} is a compiled network (.tflite); bring the Keras file it was made from."
        )
    raise ModelRefusedError(f"{file.name} is neither a .keras archive nor an HDF5 file.")


def _import_version(folder: Path, request: Request, models: Path, live: bool) -> Imported:
    """Take a version that was exported elsewhere: its files stay as they are, bit by bit, and are checked again."""
    try:
        card = ModelCard.read(folder)
        check_files(
            folder,
            card,
            (KERAS_FILE, COMPILED_FILE, *card.companions, *(one.file for one in card.golden)),
        )
    except (BadCardError, ModelUnavailableError) as error:
        raise ModelRefusedError(
            f"{request.source.name} holds no whole version: {error}."
        ) from error
    card = replace(card, name=request.name or card.name, title=request.title or card.title)
    _check(card)
    version = publish(
        folder / KERAS_FILE,
        card,
        [folder / one.file for one in card.golden],
        models,
        split=read_split(folder, card),
        compiled=folder / COMPILED_FILE,
        familiarity=next((folder / one for one in card.companions), None),
        first_is_live=live,
    )
    return Imported(card.name, version, ())


def _about_scaling(wanted: str, done: str) -> list[str]:
    if wanted != "auto" or done == "none":
        return []
    return [
        "Nobody said how photos were scaled in training; 0 to 1 was taken. If its answers are poor, import it again with --preprocess."
    ]


def _name_for(source: Path) -> str:
    """A folder's name made from the file's."""
    return re.sub(r"[^a-z0-9._]+", "-", source.stem.lower()).strip("-._")[:60] or "imported"


def _shown(label: str) -> str:
    """How people read a label: names from folders get spaces and a capital."""
    return label.replace("_", " ").capitalize() if re.fullmatch(r"[a-z0-9_]+", label) else label
