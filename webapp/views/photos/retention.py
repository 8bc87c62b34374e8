"""A rule of keeping: how many photos of each class stay, what would go, and the button for the job that lets it go."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError
from webapp.services.jobs.types import retention as retention_job
from webapp.services.photos import deletion as deleting
from webapp.services.photos.deletion import GRACE, Surplus
from webapp.views import guards
from webapp.views.jobs import sender

bp = Blueprint("keeping", __name__, url_prefix="/admin/keeping")
USUAL = {"per_class": "500", "older_than": "90d"}


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """The rule as it is typed, and what it would let go; nothing is deleted."""
    asked = {name: request.args.get(name, "").strip() for name in USUAL}
    found: Surplus | None = None
    error: BadRequestError | None = None
    if any(asked.values()):
        try:
            found = deleting.surplus(
                deleting.parse_number(asked["per_class"]),
                deleting.parse_age(asked["older_than"] or "0"),
            )
        except BadRequestError as trouble:
            error = trouble
    body = render_template(
        "photos/retention.html",
        asked=asked if any(asked.values()) else USUAL,
        found=found,
        days=GRACE.days,
        error=error,
    )
    return body, 400 if error else 200


@bp.post("")
@guards.admins_only
def apply() -> ResponseReturnValue:
    """Put in the job that deletes what the rule lets go, as one batch."""
    number, age = (
        deleting.parse_number(request.form.get("per_class", "")),
        deleting.parse_age(request.form.get("older_than", "") or "0"),
    )
    job = retention_job.enqueue(number, age, sender())
    return redirect(url_for("jobs.one", job_id=job.public_id), 303)
