"""The retention rule: how many photos of each class stay, what would go, and the button for the job
that deletes it."""

from datetime import timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from wtforms import StringField

from webapp.errors import BadRequestError
from webapp.services.jobs.types import retention as retention_job
from webapp.services.photos import deletion
from webapp.views import guards
from webapp.views.forms import Form
from webapp.views.layout import render_page

bp = guards.guard(Blueprint("retention", __name__, url_prefix="/admin/keeping"), guards.admins_only)
_PROPOSED = {"per_class": "500", "older_than": "90d"}


class _RetentionForm(Form):
    """How many photos of each class stay, and from which age on the others go."""

    per_class = StringField("Each class keeps")
    older_than = StringField("Only photos older than")

    def rule(self) -> tuple[int, timedelta]:
        """The number and the age. Raises `BadRequestError`."""
        number = deletion.parse_number(self.per_class.data.strip())
        return number, deletion.parse_age(self.older_than.data.strip() or "0")


@bp.get("")
def index() -> ResponseReturnValue:
    """The rule as it was typed, and what it would delete; nothing is deleted."""
    typed = any(request.args.get(name, "").strip() for name in ("per_class", "older_than"))
    surplus, error, form = None, None, _RetentionForm(None, data=_PROPOSED)
    if typed:
        form = _RetentionForm(request.args, meta={"csrf": False})
        try:
            surplus = deletion.surplus(*form.rule())
        except BadRequestError as refused:
            error = refused
    days = deletion.GRACE.days
    return render_page("photos/retention.html", error, form=form, surplus=surplus, days=days)


@bp.post("")
def apply() -> ResponseReturnValue:
    """Put in the job that deletes what the rule does not keep, as one batch."""
    return guards.to_job(retention_job.enqueue(*_RetentionForm().rule(), guards.sender()))
