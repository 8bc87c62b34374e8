"""Ranking a photo that is here already, with a note of how it went that can be asked for afterwards."""

from __future__ import annotations

from webapp.errors import PhotoNotFoundError, PhotoRefusedError
from webapp.inference.classifier import Classifier
from webapp.inference.turnstile import Turnstile
from webapp.services.classify import Classified, Incoming, ask_models, remember_upload
from webapp.services.history import get_item, get_upload
from webapp.storage.files import FileStore
from webapp.storage.tables import Photo


def predict(photo: Photo, *, classifier: Classifier, files: FileStore, turnstile: Turnstile) -> str:
    """Let a model look at a photo now, and return the id of the note, which lies among those of the forms.

    A photo that cannot be decoded is a failure in the note. Raises `ServerBusyError` or `StorageFullError`, and `PhotoNotFoundError`
    when the photo or its file is gone; then there is no note.
    """
    name = photo.filename
    result: Classified | PhotoRefusedError
    try:
        ask_models(photo.public_id, classifiers=[classifier], files=files, turnstile=turnstile)
        item = get_item(photo.public_id)
        result = Classified(item.photo, item.outcome, duplicate=True)
    except PhotoRefusedError as error:
        result = error
    return remember_upload([Incoming(name, b"")], [result], classifier.card.name)


def error_of(task_id: str) -> str:
    """Why it failed, "" when it did not. Raises `PhotoNotFoundError` when there is no such note."""
    try:
        upload, _photos = get_upload(task_id)
    except PhotoNotFoundError as error:
        raise PhotoNotFoundError("There is no such task.") from error
    return next((str(result["error"]) for result in upload.results if result["error"]), "")
