"""The job types there are, by name. A new one is a new module in this folder with a `JOB_TYPE`."""

from importlib import import_module
from pkgutil import iter_modules

from webapp.services.jobs import types
from webapp.services.jobs.job_type import JobType

_MODULES = [module.name for module in iter_modules(types.__path__, f"{types.__name__}.")]
_TYPES: list[JobType] = [import_module(name).JOB_TYPE for name in _MODULES if name != __name__]
JOB_TYPES = {job_type.name: job_type for job_type in _TYPES}
