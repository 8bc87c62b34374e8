"""Every error we raise on purpose. The message is a sentence for a person: what happened, what to do."""


class MarqueError(Exception):
    """Root of all errors raised on purpose."""


# ---- photos ----


class PhotoRefusedError(MarqueError):
    """An upload was refused. Nothing was stored."""


class NotAPhotoError(PhotoRefusedError):
    """The bytes are none of the image formats we read (HTTP 415)."""


class BrokenPhotoError(PhotoRefusedError):
    """The bytes begin like an image but cannot be decoded: truncated, corrupt, or nonsense sizes (HTTP 422)."""


class PhotoTooLargeError(PhotoRefusedError):
    """The file has too many bytes, or the image too many pixels, for the caps before decoding (HTTP 413)."""


class NoFileError(PhotoRefusedError):
    """A form or call that must carry a file carries none (HTTP 400)."""


class PhotoNotFoundError(MarqueError):
    """No photo has this id, or it was deleted (HTTP 404)."""


class PhotoDeletedError(PhotoNotFoundError):
    """The photo was deleted, and can be brought back for some days by who may (HTTP 410)."""


class NotAskedError(MarqueError):
    """The photo is there, but this model has not looked at it yet (HTTP 404)."""


class NoHeatMapError(MarqueError):
    """The network is not one whose last layer works on the mean of a feature map, so nobody can say where it looked (HTTP 404)."""


# ---- labels ----


class UnknownLabelError(MarqueError):
    """A ground truth is neither a label of the model nor a verdict (HTTP 422)."""


class NothingToUndoError(MarqueError):
    """The label event or batch does not exist, or was changed since (HTTP 409)."""


# ---- questions ----


class TooMuchToCountError(MarqueError):
    """A filter lets through more photos than can be counted while somebody waits (HTTP 422)."""


class BadRequestError(MarqueError):
    """A filter, cursor or number in a question makes no sense (HTTP 400)."""


class InvalidFieldsError(BadRequestError):
    """Parts of the request have the wrong type, are missing or are not known (HTTP 400). `faults` are pairs of where and what."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__(
            f"{'; '.join(f'{where} {what}' for where, what in faults)}. Nothing was done."
        )
        self.faults = faults


class BadNumberError(BadRequestError):
    """The number that names a photo at an old door is none (HTTP 422)."""


# ---- exports and imports ----


class ExportError(MarqueError):
    """An export cannot be written where it should go. The message says why; what lies there was left as it is."""


class ResultsError(MarqueError):
    """The file in which a command shall go on is none that it wrote. Nothing was changed."""


class BadLabelFileError(MarqueError):
    """A file of labels cannot be read (HTTP 422). Nothing was changed; the message names the line where there is one."""


# ---- models ----


class ModelError(MarqueError):
    """Root of what can be wrong with a model."""


class ModelNotFoundError(ModelError):
    """No model, or no version of it, has this name (HTTP 404)."""


class ModelUnavailableError(ModelError):
    """The model that should answer cannot be loaded: missing, damaged, or wrong answers on its golden photos (HTTP 503)."""


class BadCardError(ModelError):
    """A card.json is missing a field or contradicts itself. The message names the field."""


class ModelRefusedError(ModelError):
    """The publishing gate said no. The message says which check failed, with both numbers where there are two."""


class PromotionRefusedError(ModelError):
    """A version may not take over, or there is none to go back to (HTTP 409). Nothing was changed; the message says why."""


class TrainingError(MarqueError):
    """Training cannot start or go on: no photos, unknown labels, unreadable checkpoint."""


# ---- jobs ----


class BadArchiveError(MarqueError):
    """A zip of photos cannot be taken: damaged, or larger inside than we read (HTTP 422). Nothing was stored; the message says why."""


class JobNotFoundError(MarqueError):
    """No job has this id, or the person may not see it (HTTP 404)."""


class JobRefusedError(MarqueError):
    """A job cannot be put in, cancelled or tried again as it stands (HTTP 409). Nothing was changed; the message says why."""


class NobodyWorksError(MarqueError):
    """Jobs wait, and no worker has been seen for a while. The message says since when, and how to start one."""


class JobStoppedError(MarqueError):
    """The part of a job that is being worked on must end now: the job was cancelled, the worker ends, or another one has the part."""


class JobWaitsError(MarqueError):
    """The part of a job has nothing to do before `seconds` are over: it waits so long, as if not taken up. The message goes to its log."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


# ---- webhooks ----


class WebhookError(MarqueError):
    """A webhook that cannot be kept so, or cannot be used as it stands (HTTP 422). Nothing was changed; the message says why."""


class WebhookNotFoundError(WebhookError):
    """No webhook has this number (HTTP 404)."""


class NotDeliveredError(MarqueError):
    """A webhook could not be told of something. The message says what came back instead, and never what the receiver wrote."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone
        """True when the receiver said that it wants nothing any more (HTTP 410)."""


# ---- people ----


class LoginFailedError(MarqueError):
    """User name and password do not match (HTTP 401). It never says which of the two."""


class KeyExpiredError(LoginFailedError):
    """The API key was right once, and its time is over (HTTP 401). The message says since when."""


class KeyNotFoundError(MarqueError):
    """No API key has this number (HTTP 404)."""


class TooManyAttemptsError(MarqueError):
    """Too many wrong passwords for this user name (HTTP 429). `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UserError(MarqueError):
    """A user name or password that cannot be taken. The message says why."""


class NotAllowedError(MarqueError):
    """The person or key may not do this (HTTP 403)."""


# ---- the machine ----


class TooManyRequestsError(MarqueError):
    """A sender asks for more than the rate limits allow (HTTP 429). `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerBusyError(MarqueError):
    """The queue in front of the model is full (HTTP 503). `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageFullError(MarqueError):
    """The disk is full or read-only; nothing was stored (HTTP 507)."""


class DamagedHistoryError(MarqueError):
    """The database is damaged (HTTP 503)."""


class ServerFailedError(MarqueError):
    """Another Marque cannot be reached, does not take the key, stays busy, or is none. The message says which."""


class ConfigError(MarqueError):
    """A setting has a value that makes no sense. The message names the variable and what is allowed."""
