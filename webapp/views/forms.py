"""What all HTML forms share. Forms of a noun stand beside its views."""

from flask_wtf import FlaskForm

from webapp.errors import InvalidFormError


class Form(FlaskForm):
    """A form whose faults are one error with sentences for people."""

    def check(self) -> None:
        """Raises `InvalidFormError`, which names each field and what is wrong with it."""
        if not self.validate():
            raise InvalidFormError(
                " ".join(
                    f"{self[name].label.text}: {sentence}" if name in self else sentence
                    for name, sentences in self.errors.items()
                    for sentence in sentences
                )
            )
