"""The form for the box of a car: four numbers."""

from typing import Self

from wtforms import StringField, ValidationError
from wtforms.fields import Field

from webapp.domain import Box
from webapp.storage.tables import Car
from webapp.views.forms import Form

_ROUNDING = 1e-3  # percent


def _check_percent(_form: Form, field: Field) -> None:
    if _percent(field) is None:
        raise ValidationError(f"{field.label.text} must be a number of percent from 0 to 100.")


def _percent(field: Field) -> float | None:
    try:
        number = float(field.data.strip().removesuffix("%").replace(",", "."))
    except ValueError:
        return None
    return number if 0 <= number <= 100 else None


class BoxForm(Form):
    """Where a car is, in percent of the photo's sides; `car` and `model` say what the page shows
    that it is on."""

    left = StringField("Left", [_check_percent])
    top = StringField("Top", [_check_percent])
    width = StringField("Width", [_check_percent])
    height = StringField("Height", [_check_percent])
    car = StringField()
    model = StringField()

    def validate_width(self, field: Field) -> None:
        """Left and width end inside the photo."""
        _check_inside(self.left, field)

    def validate_height(self, field: Field) -> None:
        """Top and height end inside the photo."""
        _check_inside(self.top, field)

    @property
    def box(self) -> Box:
        """The box in shares of the sides. Raises `InvalidFormError`."""
        self.check()
        left, top, width, height = (
            (_percent(field) or 0) / 100 for field in (self.left, self.top, self.width, self.height)
        )
        return left, top, width, height

    purpose = ""  # "draw" or "move"

    def named(self, name: str) -> Self:
        """The form for a purpose, with which its ids begin: a page has two of them."""
        self.purpose = name
        for field in self:
            field.id = field.label.field_id = f"{name}-{field.name}"
        return self


def _check_inside(start: Field, side: Field) -> None:
    first, length = _percent(start), _percent(side)
    if first is not None and length is not None and first + length > 100 + _ROUNDING:
        raise ValidationError(
            f"{start.label.text} and {side.label.text.lower()} may add up to 100 %, else the box "
            "is not inside the photo."
        )


def move_form(car: Car) -> BoxForm:
    """A form for a page with the box of a car."""
    percent = [f"{share * 100:.5g}" for share in car.box]
    data = dict(zip(("left", "top", "width", "height"), percent, strict=True))
    return BoxForm(formdata=None, data=data).named("move")


def draw_form() -> BoxForm:
    """An empty form for a page, to draw another box."""
    return BoxForm(formdata=None).named("draw")
