"""The groups of `flask` commands, found by the modules whose commands they hold."""

from webapp.cli import exports, jobs, operations, stats, webhooks
from webapp.cli.accounts import keys, users
from webapp.cli.labels import label_import, label_sets
from webapp.cli.models import comparison, group, model_import, versions
from webapp.cli.photos import classify, demo, retention
from webapp.cli.training import dataset, evaluate, search, train

_MODULES = (
    *(classify, demo, exports, label_import, retention),
    *(group, label_sets, model_import, comparison, versions, dataset, evaluate, search, train),
    *(users, keys, stats, jobs, webhooks, operations),
)
BLUEPRINTS = tuple(dict.fromkeys(module.bp for module in _MODULES))
