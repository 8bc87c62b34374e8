"""Loads a version's folder as a classifier; needs no Flask, so pool processes use it too."""

from pathlib import Path

from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier, self_test
from webapp.inference.detector import Detector
from webapp.inference.detector import self_test as detector_self_test
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.litert_detector import LiteRTDetector
from webapp.inference.models.card import COMPILED_FILE, KERAS_FILE, ModelCard
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.registry import Registry, check_files


def load_classifier(registry: Registry, name: str, version: int, engine: str) -> Classifier:
    """The classifier of one version, after its golden self-test.

    `engine` is "litert" or "keras". Raises `ModelUnavailableError`, `ModelNotFoundError` or
    `BadCardError`.
    """
    folder = registry.version_folder(name, version)
    classifier = open_version(folder, engine)
    self_test(classifier, folder)
    return classifier


def open_version(folder: Path, engine: str) -> Classifier:
    """Load the version in `folder` after checking its files' SHA-256, without the self-test.

    Raises `ModelUnavailableError` or `BadCardError`.
    """
    card = ModelCard.read(folder)
    if engine != "keras":
        check_files(folder, card, (COMPILED_FILE, *card.companions))
        return LiteRTClassifier(folder, card)
    try:  # TensorFlow takes seconds and 600 MB
        from webapp.inference.keras_classifier import KerasClassifier
    except ImportError as error:
        raise ModelUnavailableError(
            "MARQUE_ENGINE=keras needs TensorFlow: pip install -r requirements.txt"
        ) from error
    check_files(folder, card, (KERAS_FILE, *card.companions))
    return KerasClassifier(folder, card)


def load_live_detector(models: Path, engine: str = "litert") -> Detector | None:
    """The live detector in a folder of models, None when there is none. Raises like
    `load_detector`."""
    registry = Registry(models)
    for name in registry.detectors():
        version = registry.live_version(name)
        if version is not None:
            return load_detector(registry.version_folder(name, version), engine)
    return None


def load_detector(folder: Path, engine: str) -> Detector:
    """The detector in a version's folder, after its golden self-test.

    Raises `ModelUnavailableError` or `BadCardError`.
    """
    detector = open_detector(folder, engine)
    detector_self_test(detector, folder)
    return detector


def open_detector(folder: Path, engine: str) -> Detector:
    """The same without the self-test."""
    card = DetectorCard.read(folder)
    if engine == "keras":
        from webapp.inference.keras_detector import KerasDetector

        check_files(folder, card, (KERAS_FILE,))
        return KerasDetector(folder, card)
    check_files(folder, card, (COMPILED_FILE,))
    return LiteRTDetector(folder, card)
