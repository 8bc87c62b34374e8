"""Forms of accounts: log in, passwords, people, API keys."""

from wtforms import HiddenField, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import EqualTo, Length

from webapp.services.accounts import api_keys, users
from webapp.views.forms import Form


class LoginForm(Form):
    """Log in."""

    next = HiddenField()
    name = StringField("User name", [Length(max=80)])
    password = PasswordField("Password")


class PasswordForm(Form):
    """Change one's own password."""

    old = PasswordField("Present password")
    new = PasswordField("New password")
    again = PasswordField(
        "The new one again",
        [EqualTo("new", "The two new passwords are not the same. Nothing was changed.")],
    )


class UserForm(Form):
    """Add a person."""

    name = StringField("User name")
    role = SelectField(
        "Role",
        choices=[SelectChoice(role, role.capitalize()) for role in users.ROLES],
        validate_choice=False,
        default="reviewer",
    )


class NewPasswordForm(Form):
    """Give a person another generated password."""

    name = HiddenField()


class KeyForm(Form):
    """Create an API key."""

    name = StringField("Who or what uses it")
    scope = SelectField(
        "Scope",
        choices=[SelectChoice(scope, scope.capitalize()) for scope in api_keys.SCOPES],
        validate_choice=False,
        default="predict",
    )
    expires = StringField("Last day, if any")
