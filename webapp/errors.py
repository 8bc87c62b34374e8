"""Every error raised on purpose. The message is a sentence for a person: what happened, what to do.

`status` is the HTTP status that says the same; `retry_after` the seconds to wait before trying
again, None where waiting does not help.
"""


class MarqueError(Exception):
    """Root of all errors raised on purpose."""

    status = 500
    retry_after: int | None = None

    def __init_subclass__(cls, status: int | None = None) -> None:
        cls.status = status or cls.status


class _WaitError(MarqueError):
    """An error that ends by itself after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# ---- photos ----


class PhotoRefusedError(MarqueError, status=422):
    """An upload was refused. Nothing was stored."""


class NotAPhotoError(PhotoRefusedError, status=415):
    """The bytes are in none of the image formats that are read."""


class BrokenPhotoError(PhotoRefusedError):
    """The bytes begin like an image but cannot be decoded: truncated, corrupt, impossible sizes."""


class PhotoTooLargeError(PhotoRefusedError, status=413):
    """The file has too many bytes, or the image too many pixels, for the caps before decoding."""


class NoFileError(PhotoRefusedError, status=400):
    """A form or call that must carry a file carries none."""


class PhotoNotFoundError(MarqueError, status=404):
    """No photo has this id, or it was deleted."""


class PhotoDeletedError(PhotoNotFoundError, status=410):
    """The photo was deleted and can still be restored."""


class NotAskedError(MarqueError, status=404):
    """The photo exists, but this model has not classified it yet."""


class NoHeatMapError(MarqueError, status=404):
    """The network does not end in a pooled feature map and one dense layer: no heat map exists."""


class BadBoxError(MarqueError, status=422):
    """A box of a car is outside of its photo or too small, or the photo has too many."""


# ---- labels ----


class UnknownLabelError(MarqueError, status=422):
    """A ground truth is neither a label of the model nor a verdict."""


class NothingToUndoError(MarqueError, status=409):
    """The label event or batch does not exist, or was changed since."""


# ---- requests ----


class TooMuchToCountError(MarqueError, status=422):
    """A filter matches more photos than can be counted while somebody waits."""


class BadRequestError(MarqueError, status=400):
    """A filter, cursor or number of a request makes no sense."""


class InvalidFieldsError(BadRequestError):
    """Parts of the request have the wrong type, are missing or are not known.

    `faults` are pairs of where and what.
    """

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        sentences = "; ".join(f"{where} {what}" for where, what in faults)
        super().__init__(f"{sentences}. Nothing was done.")
        self.faults = faults


class InvalidFormError(MarqueError, status=422):
    """Fields of an HTML form are missing or cannot be read. Nothing was done."""


class BadNumberError(BadRequestError, status=422):
    """The number of a photo in a call of the earlier services is not a number."""


# ---- exports and imports ----


class ExportError(MarqueError):
    """A file of photos or answers cannot be written or continued. What lies there is unchanged."""


class BadLabelFileError(MarqueError, status=422):
    """A file of labels cannot be read. Nothing was changed; the message names the line."""


class NoLabelFileError(BadLabelFileError):
    """A file is no list of labels or boxes: another format, or no column for them."""


# ---- models ----


class ModelError(MarqueError, status=422):
    """Root of what can be wrong with a model."""


class ModelNotFoundError(ModelError, status=404):
    """No model, or no version of it, has this name."""


class ModelUnavailableError(ModelError, status=503):
    """The model cannot be loaded: missing, damaged, or wrong answers on its golden photos."""

    retry_after = 30


class BadCardError(ModelError):
    """A card.json lacks a field or contradicts itself. The message names the field."""


class ModelRefusedError(ModelError):
    """A version may not be published. The message says which check failed."""


class PromotionRefusedError(ModelError, status=409):
    """A version may not take over, or there is none to roll back to. Nothing was changed."""


class TrainingError(MarqueError, status=422):
    """Training cannot start or continue: no photos, unknown labels, unreadable checkpoint."""


# ---- jobs ----


class BadArchiveError(MarqueError, status=422):
    """A zip of photos cannot be read: damaged, or too large inside. Nothing was stored."""


class JobNotFoundError(MarqueError, status=404):
    """No job has this id, or the person may not see it."""


class JobRefusedError(MarqueError, status=409):
    """A job cannot be added, cancelled or retried as it stands. Nothing was changed."""


class JobStoppedError(MarqueError):
    """A part of a job must end now: cancelled, worker ends, or another worker has the part."""


class JobWaitsError(MarqueError):
    """A part of a job has nothing to do for `seconds`. The message goes to the job's log."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


# ---- webhooks ----


class WebhookError(MarqueError, status=422):
    """A webhook that cannot be saved, or cannot be used as it stands. Nothing was changed."""


class WebhookNotFoundError(WebhookError, status=404):
    """No webhook has this number."""


class NotDeliveredError(MarqueError):
    """A webhook was not delivered. The message never quotes the receiver.

    `gone` is true when the receiver answered 410: it wants nothing more.
    """

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


# ---- accounts ----


class LoginFailedError(MarqueError, status=401):
    """User name and password do not match, and it never says which of the two; or the API key is
    unknown, revoked or expired."""


class KeyNotFoundError(MarqueError, status=404):
    """No API key has this number."""


class TooManyAttemptsError(_WaitError, status=429):
    """Too many wrong passwords for this user name."""


class UserError(MarqueError, status=422):
    """A user name or password that cannot be accepted."""


class NotAllowedError(MarqueError, status=403):
    """The person or key may not do this."""


# ---- the machine ----


class TooManyRequestsError(_WaitError, status=429):
    """A sender asks for more than the rate limits allow."""


class ServerBusyError(_WaitError, status=503):
    """The queue in front of the model is full, or the database is locked."""


class StorageFullError(MarqueError, status=507):
    """The disk is full or read-only; nothing was stored."""


class DamagedHistoryError(MarqueError, status=503):
    """The database is damaged."""


class ServerFailedError(MarqueError):
    """Another Marque cannot be reached, refuses the key, stays busy, or is none."""


class ConfigError(MarqueError):
    """A setting has an impossible value. The message names the variable and what is allowed."""
