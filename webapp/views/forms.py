"""What all HTML forms share. Forms of a noun stand beside its views."""

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import StringField

from webapp.errors import InvalidFormError


class Form(FlaskForm):
    """A form whose faults are one error in sentences.

    Validators say whole sentences as their messages; what a service checks is not checked twice. A
    text that was not sent is empty.
    """

    class Meta(FlaskForm.Meta):
        def wrap_formdata(self, form: FlaskForm, formdata: Any) -> Any:
            """Flask-WTF reads fields from JSON too, where they may be lists and numbers."""
            given = hasattr(formdata, "getlist")
            return super().wrap_formdata(form, formdata if given or not request.is_json else None)

        def bind_field(self, form: FlaskForm, unbound_field: Any, options: Any) -> Any:
            """The data of a text is never None."""
            field = super().bind_field(form, unbound_field, options)
            if isinstance(field, StringField):
                field.filters = [lambda text: "" if text is None else text, *field.filters]
            return field

    def check(self) -> None:
        """Raises `InvalidFormError` with the sentences of all fields that are wrong."""
        if not self.validate():
            faults = (sentence for sentences in self.errors.values() for sentence in sentences)
            raise InvalidFormError(" ".join(faults))
