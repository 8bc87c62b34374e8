"""From a version's folder to a classifier that may answer. No Flask: also the processes that rank a folder use it."""

from pathlib import Path

from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier, self_test
from webapp.inference.litert_classifier import COMPILED_FILE, LiteRTClassifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import Registry, check_files


def load_classifier(registry: Registry, name: str, version: int, engine: str) -> Classifier:
    """Load one version with `engine` ("litert" or "keras") after checking its files' SHA-256, and let it pass its golden self-test.

    Raises `ModelUnavailableError`, `ModelNotFoundError` or `BadCardError`.
    """
    folder = registry.version_folder(name, version)
    classifier = open_version(folder, engine)
    self_test(classifier, folder)
    return classifier


def open_version(folder: Path, engine: str) -> Classifier:
    """Load the version in `folder` after checking its files' SHA-256, without the self-test. Raises like `load_classifier`."""
    card = ModelCard.read(folder)
    return _keras(folder, card) if engine == "keras" else _litert(folder, card)


def _litert(folder: Path, card: ModelCard) -> Classifier:
    check_files(folder, card, (COMPILED_FILE, *card.companions))
    return LiteRTClassifier(folder, card)


def _keras(folder: Path, card: ModelCard) -> Classifier:
    try:  # TensorFlow takes seconds and 600 MB: only who asks for it pays
        from webapp.inference.keras_classifier import KERAS_FILE, KerasClassifier
    except ImportError as error:
        raise ModelUnavailableError(
            "MARQUE_ENGINE=keras needs TensorFlow: pip install -r requirements.txt"
        ) from error
    check_files(folder, card, (KERAS_FILE, *card.companions))
    return KerasClassifier(folder, card)
