"""The kinds of jobs there are."""

from webapp.services.jobs.job_type import Kind
from webapp.services.jobs.types import bulk as many_later
from webapp.services.jobs.types import compare as replay
from webapp.services.jobs.types import export as export_later
from webapp.services.jobs.types import label_import as labels_later
from webapp.services.jobs.types import model_import as import_model
from webapp.services.jobs.types import predict as predict_later
from webapp.services.jobs.types import reclassify as rank_again
from webapp.services.jobs.types import retention as keep_later
from webapp.services.jobs.types import upload as bulk_upload
from webapp.services.jobs.types import webhook_delivery
from webapp.services.labels import remapping as rereading

KINDS: dict[str, Kind] = {
    one.name: one
    for one in (
        bulk_upload.KIND,
        export_later.KIND,
        import_model.KIND,
        keep_later.KIND,
        labels_later.KIND,
        many_later.KIND,
        predict_later.KIND,
        rank_again.KIND,
        replay.KIND,
        rereading.KIND,
        webhook_delivery.KIND,
    )
}
