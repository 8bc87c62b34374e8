"""Errors as RFC 9457 problems."""

from typing import NotRequired

from webapp.api.schemas.base import JsonShape


class FieldErrorJson(JsonShape):
    """One part of a request that cannot be used."""

    where: str
    """The part: `query.limit`, `body.label`, `form.file`."""
    what: str
    """What is wrong with it."""


class ProblemJson(JsonShape):
    """An error (RFC 9457)."""

    type: str
    """Always `about:blank`: the status says what kind of error it is."""
    title: str
    """The status in words."""
    status: int
    detail: str
    """A sentence for a person: what happened, what was kept, what to do."""
    errors: NotRequired[list[FieldErrorJson]]
    """Every part of the request that has the wrong type or is not known."""
