"""The tables. `models/` holds Keras models, so the ORM classes live here."""

from webapp.storage.tables.accounts import ApiKey, LoginAttempt, User
from webapp.storage.tables.base import UTCDateTime, now
from webapp.storage.tables.cars import BoxEvent, Car, CarState
from webapp.storage.tables.exports import Export
from webapp.storage.tables.jobs import Job, JobLine, JobPart, JobWorker
from webapp.storage.tables.labels import (
    CanonicalLabel,
    KnownLabel,
    LabelEdit,
    LabelEvent,
    LabelFile,
)
from webapp.storage.tables.models import Promotion
from webapp.storage.tables.photos import (
    File,
    Photo,
    PhotoHash,
    Prediction,
    Thumbnail,
    TopLabel,
    Upload,
)
from webapp.storage.tables.review import Audit, AuditCar, ReviewLease, Suspicion, SuspicionRun
from webapp.storage.tables.stats import (
    CHECKED,
    BandCounter,
    CheckedAnswer,
    MonthCounter,
    PairCounter,
    TrainingFile,
    TrainingList,
)
from webapp.storage.tables.webhooks import Webhook, WebhookDelivery, WebhookEvent
