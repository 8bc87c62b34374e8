"""The groups of `flask` commands."""

from webapp.cli import jobs, operations, stats, webhooks
from webapp.cli.accounts import keys, users
from webapp.cli.models import group as models
from webapp.cli.photos import demo
from webapp.cli.photos import group as photos

BLUEPRINTS = tuple(
    module.bp for module in (photos, demo, models, users, keys, stats, jobs, webhooks, operations)
)
