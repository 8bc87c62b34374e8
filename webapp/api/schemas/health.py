"""Health: what load balancers and monitors read."""

from typing import NotRequired

from webapp.api.schemas.base import JsonShape, ModelVersionJson


class GreetingJson(JsonShape):
    """The shortest answer there is."""

    message: str


class LiveJson(JsonShape):
    """The process answers."""

    status: str


class ReadyJson(JsonShape):
    """Photos are answered."""

    status: str
    model: ModelVersionJson
    trouble: NotRequired[str]
    """Why another version answers than the live one."""


class NotReadyJson(JsonShape):
    """Photos cannot be answered now."""

    status: str
    problems: dict[str, str]
    """A sentence for each part that does not work."""
