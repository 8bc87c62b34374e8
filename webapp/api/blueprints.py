"""The blueprints of the JSON API under `/api/v1`, and of the health checks, which stand beside
it."""

from webapp.api import (
    cars,
    exports,
    health,
    jobs,
    labels,
    models,
    photos,
    reference,
    stats,
    trainings,
)

BLUEPRINTS = tuple(
    module.bp for module in (photos, cars, labels, models, trainings, exports, stats, jobs)
)
REFERENCE, HEALTH = reference.bp, health.bp
