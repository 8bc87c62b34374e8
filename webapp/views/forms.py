"""What all HTML forms share. Forms of a noun stand beside its views."""

from flask_wtf import FlaskForm

from webapp.errors import InvalidFormError


class Form(FlaskForm):
    """A form whose faults are one error in sentences.

    Validators say whole sentences as their messages; what a service checks is not checked twice.
    """

    def check(self) -> None:
        """Raises `InvalidFormError` with the sentences of all fields that are wrong."""
        if not self.validate():
            faults = (sentence for sentences in self.errors.values() for sentence in sentences)
            raise InvalidFormError(" ".join(faults))
