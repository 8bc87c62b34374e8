"""Forms of the review."""

from wtforms import HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from webapp.services.review.queue import AUDIT_SIZES
from webapp.views.forms import Form


class CheckForm(Form):
    """Give a photo of the review its label; `model` is the one whose answer is shown."""

    photo = HiddenField()
    label = HiddenField()
    model = HiddenField()
    why = StringField("Reason")


class AuditForm(Form):
    """Draw a random sample. The size that a page proposes is no default of the field."""

    size = SelectField(
        "Photos",
        choices=[SelectChoice(str(size), f"{size:,} photos") for size in AUDIT_SIZES],
        coerce=int,
        validate_choice=False,
    )
