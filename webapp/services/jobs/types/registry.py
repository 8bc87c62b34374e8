"""The job types there are, by name."""

from webapp.services.jobs.job_type import JobType
from webapp.services.jobs.types import (
    bulk,
    compare,
    export,
    label_import,
    model_import,
    predict,
    reclassify,
    remap,
    retention,
    upload,
    webhook_delivery,
)

MODULES = (
    bulk,
    compare,
    export,
    label_import,
    model_import,
    predict,
    reclassify,
    remap,
    retention,
    upload,
    webhook_delivery,
)
JOB_TYPES: dict[str, JobType] = {module.JOB_TYPE.name: module.JOB_TYPE for module in MODULES}
