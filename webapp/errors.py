"""Every error raised on purpose. The message is a sentence for a person: what happened, what to do.

`status` is the HTTP status that says the same; `retry_after` the seconds to wait before trying
again, None where waiting does not help.
"""


class MarqueError(Exception):
    """Root of all errors raised on purpose."""

    status = 500
    retry_after: int | None = None


class _WaitError(MarqueError):
    """An error that ends by itself after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# ---- photos ----


class PhotoRefusedError(MarqueError):
    """An upload was refused. Nothing was stored."""

    status = 422


class NotAPhotoError(PhotoRefusedError):
    """The bytes are in none of the image formats that are read."""

    status = 415


class BrokenPhotoError(PhotoRefusedError):
    """The bytes begin like an image but cannot be decoded: truncated, corrupt, impossible sizes."""


class PhotoTooLargeError(PhotoRefusedError):
    """The file has too many bytes, or the image too many pixels, for the caps before decoding."""

    status = 413


class NoFileError(PhotoRefusedError):
    """A form or call that must carry a file carries none."""

    status = 400


class PhotoNotFoundError(MarqueError):
    """No photo has this id, or it was deleted."""

    status = 404


class PhotoDeletedError(PhotoNotFoundError):
    """The photo was deleted and can still be restored."""

    status = 410


class NotAskedError(MarqueError):
    """The photo exists, but this model has not classified it yet."""

    status = 404


class NoHeatMapError(MarqueError):
    """The network does not end in a pooled feature map and one dense layer: no heat map exists."""

    status = 404


# ---- labels ----


class UnknownLabelError(MarqueError):
    """A ground truth is neither a label of the model nor a verdict."""

    status = 422


class NothingToUndoError(MarqueError):
    """The label event or batch does not exist, or was changed since."""

    status = 409


# ---- requests ----


class TooMuchToCountError(MarqueError):
    """A filter matches more photos than can be counted while somebody waits."""

    status = 422


class BadRequestError(MarqueError):
    """A filter, cursor or number of a request makes no sense."""

    status = 400


class InvalidFieldsError(BadRequestError):
    """Parts of the request have the wrong type, are missing or are not known.

    `faults` are pairs of where and what.
    """

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        sentences = "; ".join(f"{where} {what}" for where, what in faults)
        super().__init__(f"{sentences}. Nothing was done.")
        self.faults = faults


class InvalidFormError(MarqueError):
    """Fields of an HTML form are missing or cannot be read. Nothing was done."""

    status = 422


class BadNumberError(BadRequestError):
    """The number of a photo in a call of the earlier services is not a number."""

    status = 422


# ---- exports and imports ----


class ExportError(MarqueError):
    """An export cannot be written to its place. What lies there is unchanged."""


class ResultsError(MarqueError):
    """The file that a command is to continue was not written by it. Nothing was changed."""


class BadLabelFileError(MarqueError):
    """A file of labels cannot be read. Nothing was changed; the message names the line."""

    status = 422


# ---- models ----


class ModelError(MarqueError):
    """Root of what can be wrong with a model."""

    status = 422


class ModelNotFoundError(ModelError):
    """No model, or no version of it, has this name."""

    status = 404


class ModelUnavailableError(ModelError):
    """The model cannot be loaded: missing, damaged, or wrong answers on its golden photos."""

    status = 503
    retry_after = 30


class BadCardError(ModelError):
    """A card.json lacks a field or contradicts itself. The message names the field."""


class ModelRefusedError(ModelError):
    """The publishing gate refused a version. The message says which check failed."""


class PromotionRefusedError(ModelError):
    """A version may not take over, or there is none to roll back to. Nothing was changed."""

    status = 409


class TrainingError(MarqueError):
    """Training cannot start or continue: no photos, unknown labels, unreadable checkpoint."""


# ---- jobs ----


class BadArchiveError(MarqueError):
    """A zip of photos cannot be read: damaged, or too large inside. Nothing was stored."""

    status = 422


class JobNotFoundError(MarqueError):
    """No job has this id, or the person may not see it."""

    status = 404


class JobRefusedError(MarqueError):
    """A job cannot be added, cancelled or retried as it stands. Nothing was changed."""

    status = 409


class NobodyWorksError(MarqueError):
    """Jobs wait, and no worker has been seen for a while."""


class JobStoppedError(MarqueError):
    """A part of a job must end now: cancelled, worker ends, or another worker has the part."""


class JobWaitsError(MarqueError):
    """A part of a job has nothing to do for `seconds`. The message goes to the job's log."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


# ---- webhooks ----


class WebhookError(MarqueError):
    """A webhook that cannot be saved, or cannot be used as it stands. Nothing was changed."""

    status = 422


class WebhookNotFoundError(WebhookError):
    """No webhook has this number."""

    status = 404


class NotDeliveredError(MarqueError):
    """A webhook was not delivered. The message never quotes the receiver.

    `gone` is true when the receiver answered 410: it wants nothing more.
    """

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


# ---- accounts ----


class LoginFailedError(MarqueError):
    """User name and password do not match. It never says which of the two."""

    status = 401


class KeyExpiredError(LoginFailedError):
    """The API key has expired. The message says since when."""


class KeyNotFoundError(MarqueError):
    """No API key has this number."""

    status = 404


class TooManyAttemptsError(_WaitError):
    """Too many wrong passwords for this user name."""

    status = 429


class UserError(MarqueError):
    """A user name or password that cannot be accepted."""

    status = 422


class NotAllowedError(MarqueError):
    """The person or key may not do this."""

    status = 403


# ---- the machine ----


class TooManyRequestsError(_WaitError):
    """A sender asks for more than the rate limits allow."""

    status = 429


class ServerBusyError(_WaitError):
    """The queue in front of the model is full, or the database is locked."""

    status = 503


class StorageFullError(MarqueError):
    """The disk is full or read-only; nothing was stored."""

    status = 507


class DamagedHistoryError(MarqueError):
    """The database is damaged."""

    status = 503


class ServerFailedError(MarqueError):
    """Another Marque cannot be reached, refuses the key, stays busy, or is none."""


class ConfigError(MarqueError):
    """A setting has an impossible value. The message names the variable and what is allowed."""
