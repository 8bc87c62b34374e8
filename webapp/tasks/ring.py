"""Somebody rang: a crew goes and looks what there is to do, with the tools of this process."""

from collections.abc import Mapping

from celery import Celery
from flask import Flask

from webapp.bell import RING, Bell
from webapp.domain import LONG, SHORT
from webapp.extensions import (
    describe_photo,
    get_classifiers,
    get_config,
    get_files,
    get_limiter,
    get_registry,
    load_version,
)
from webapp.services.jobs.job_type import Kind, Tools
from webapp.services.jobs.worker import Crew


def make_crew(app: Flask, celery: Celery, kinds: Mapping[str, Kind], hands: int) -> Crew:
    """A crew with so many `hands` for short work and one for long work, which answers the rings that Celery hands over."""
    crew = Crew(kinds, tools, {SHORT: hands, LONG: 1}, app.app_context, Bell(celery).ring)
    celery.task(crew.work, name=RING)
    return crew


def tools() -> Tools:
    """What kinds of jobs work with, from the extensions of the running app."""
    config = get_config()
    return Tools(
        get_files(),
        get_limiter(),
        get_registry(),
        get_classifiers,
        load_version,
        config.data,
        config.for_child(),
        describe_photo,
        config.webhooks == "any",
    )
