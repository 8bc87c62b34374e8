"""The kinds of jobs there are."""

from webapp.services.jobs.job_type import JobType
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.jobs.types import compare as compare_job
from webapp.services.jobs.types import export as export_job
from webapp.services.jobs.types import label_import as label_import_job
from webapp.services.jobs.types import model_import as model_import_job
from webapp.services.jobs.types import predict as predict_job
from webapp.services.jobs.types import reclassify as reclassify_job
from webapp.services.jobs.types import remap as remap_job
from webapp.services.jobs.types import retention as retention_job
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types import webhook_delivery

JOB_TYPES: dict[str, JobType] = {
    one.name: one
    for one in (
        upload_job.JOB_TYPE,
        export_job.JOB_TYPE,
        model_import_job.JOB_TYPE,
        retention_job.JOB_TYPE,
        label_import_job.JOB_TYPE,
        bulk_job.JOB_TYPE,
        predict_job.JOB_TYPE,
        reclassify_job.JOB_TYPE,
        compare_job.JOB_TYPE,
        remap_job.JOB_TYPE,
        webhook_delivery.JOB_TYPE,
    )
}
