"""The blueprints of all pages: a new page of a noun joins one of them, a new noun is a line
here."""

from webapp.views import exports, jobs, layout, webhooks
from webapp.views.accounts import keys, login, users
from webapp.views.cars import boxes, similar
from webapp.views.labels import label_import, label_sets, log, merges, relabel
from webapp.views.models import cards, model_import, training, versions
from webapp.views.photos import bulk, gallery, heat_map, retention, upload
from webapp.views.review import queue, suspects
from webapp.views.stats import stats

BLUEPRINTS = tuple(
    module.bp
    for module in (
        *(upload, gallery, heat_map, boxes, similar, bulk, retention),
        *(relabel, label_import, label_sets, merges, log),
        *(queue, suspects, stats),
        *(cards, versions, model_import, training),
        *(jobs, exports, webhooks),
        *(login, users, keys, layout),
    )
)
