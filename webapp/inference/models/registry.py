"""The models folder: which models it has, which versions, and which version is live."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from webapp.errors import ModelNotFoundError, ModelUnavailableError
from webapp.inference.models.card import CARD_FILE, ModelCard, VersionCard
from webapp.inference.models.detector_card import DetectorCard, is_detector_card

LIVE_FILE = "LIVE"


class Registry:
    """Reads `models/<name>/<version>/` and `models/<name>/LIVE` on each call; cards are cached."""

    def __init__(
        self, folder: Path, current: Callable[[ModelCard], ModelCard] = lambda card: card
    ) -> None:
        """`current` applies the label set's changes to a card; by default none are applied."""
        self.folder = folder
        self._current = current
        self._cards: dict[Path, tuple[int, ModelCard]] = {}
        self._is_detector: dict[Path, bool] = {}

    def names(self) -> list[str]:
        """Classifiers that have at least one version, sorted."""
        newest = self._newest_versions()
        return [name for name, version in newest.items() if not self._finds_cars(name, version)]

    def detectors(self) -> list[str]:
        """Detectors that have at least one version, sorted."""
        newest = self._newest_versions()
        return [name for name, version in newest.items() if self._finds_cars(name, version)]

    def is_detector(self, name: str) -> bool:
        """Whether the newest version of a model finds cars instead of naming them; False when there
        is no model of this name."""
        versions = self.versions(name)
        return bool(versions) and self._finds_cars(name, versions[-1])

    def _finds_cars(self, name: str, version: int) -> bool:
        folder = self.folder / name / str(version)
        if folder not in self._is_detector:  # a version never changes
            self._is_detector[folder] = is_detector_card(folder)
        return self._is_detector[folder]

    def _newest_versions(self) -> dict[str, int]:
        """The newest version of each model and detector, sorted by name."""
        if not self.folder.is_dir():
            return {}
        names = sorted(path.name for path in self.folder.iterdir())
        versions = {name: self.versions(name) for name in names}
        return {name: numbers[-1] for name, numbers in versions.items() if numbers}

    def versions(self, name: str) -> list[int]:
        """The version numbers of a model, ascending; empty when there is none of this name."""
        if not _may_be_a_folder(name):
            return []
        try:
            with os.scandir(self.folder / name) as entries:
                return sorted(
                    int(entry.name)
                    for entry in entries
                    if entry.name.isdecimal() and entry.is_dir()
                )
        except (FileNotFoundError, NotADirectoryError):
            return []

    def live_version(self, name: str) -> int | None:
        """The version that serves, or None when none was made live."""
        if not _may_be_a_folder(name):
            return None
        try:
            text = (self.folder / name / LIVE_FILE).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return int(text) if text.isdecimal() else None

    def claims_live(self, name: str) -> bool:
        """True when a version was made live, even if the file that names it became unreadable."""
        return (self.folder / name / LIVE_FILE).exists()

    def version_folder(self, name: str, version: int) -> Path:
        """The folder of one version. Raises `ModelNotFoundError`."""
        if version not in self.versions(name):
            raise ModelNotFoundError(f"There is no version {version} of {name!r}.")
        return self.folder / name / str(version)

    def card(self, name: str, version: int | None = None) -> ModelCard:
        """The card of a classifier's version (default: the live one) with its current labels.

        Raises `ModelNotFoundError`, also for a detector, or `BadCardError`.
        """
        return self._current(self.published_card(name, version))

    def published_card(self, name: str, version: int | None = None) -> ModelCard:
        """The card of a version (default: the live one) as published. Raises like `card`."""
        chosen = version if version is not None else self.live_version(name)
        folder = self.folder / name / str(chosen)
        changed = _changed_at(folder / CARD_FILE) if _may_be_a_folder(name) else 0
        if self._cards.get(folder, (0,))[0] != changed or not changed:
            self._cards[folder] = changed, self._read_card(name, chosen)
        return self._cards[folder][1]

    def _read_card(self, name: str, version: int | None) -> ModelCard:
        if not self.versions(name):
            raise ModelNotFoundError(f"There is no model called {name!r}.")
        if version is None:
            raise ModelNotFoundError(f"No version of {name!r} is live yet.")
        folder = self.version_folder(name, version)
        if self.is_detector(name):
            raise ModelNotFoundError(
                f"{name} finds cars and names none: it has no labels. Choose one of the models "
                "that name cars."
            )
        return ModelCard.read(folder)

    def any_card(self, name: str, version: int | None) -> ModelCard | DetectorCard:
        """The card of a classifier or a detector. Raises like `card`."""
        if self.is_detector(name):
            return self.detector_card(name, version)
        return self.card(name, version)

    def detector_card(self, name: str, version: int | None = None) -> DetectorCard:
        """The card of a detector's version (default: the live one). Raises like `card`."""
        chosen = version if version is not None else self.live_version(name)
        if chosen is None:
            raise ModelNotFoundError(f"No version of {name!r} is live yet.")
        return DetectorCard.read(self.version_folder(name, chosen))

    def make_live(self, name: str, version: int) -> None:
        """Let `version` serve; the file is replaced atomically."""
        self.version_folder(name, version)
        temporary = self.folder / name / f".{LIVE_FILE}.new"
        with temporary.open("w", encoding="ascii") as stream:
            stream.write(f"{version}\n")
            stream.flush()
            os.fsync(stream.fileno())  # a power cut must not leave an empty file behind
        temporary.replace(self.folder / name / LIVE_FILE)


def check_files(folder: Path, card: VersionCard, names: tuple[str, ...]) -> None:
    """Raise `ModelUnavailableError` for a named file whose SHA-256 is not that of the card."""
    for name in names:
        try:
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelUnavailableError(f"{card}: {name} is missing") from error
        if digest != card.files.get(name):
            raise ModelUnavailableError(
                f"{card}: {name} is not the file that was published (its SHA-256 differs)"
            )


def _may_be_a_folder(name: str) -> bool:
    """Whether a model of this name could have a folder: names come from addresses and forms."""
    return (
        not ("/" in name or "\0" in name or name.startswith("."))
        and len(name.encode(errors="replace")) < 256
    )


def _changed_at(path: Path) -> int:
    """When a file last changed, in nanoseconds; 0 where that cannot be told."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
