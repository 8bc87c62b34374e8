"""Sentences about the parts of a request that pydantic refuses."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from webapp.errors import InvalidFieldsError

SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text",
    "string_too_long": "has more than {max_length} characters",
    "string_pattern_mismatch": "is not written as it should be",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "too_short": "has too few entries: at least {min_length}",
    "too_long": "has too many entries: at most {max_length}",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "json_invalid": "is not JSON that can be read",
    "union_tag_not_found": "has no {discriminator}",
    "union_tag_invalid": "has a {discriminator} that is none of {expected_tags}",
    "value_error": "{error}",
}  # by pydantic's type of error; its own sentence for all others
MOST_ERRORS = 20


def invalid_fields(place: str, error: ValidationError) -> InvalidFieldsError:
    """The error for the invalid parts of a request; `place` is `query`, `body` or `form`."""
    details = error.errors(include_url=False, include_input=False)[:MOST_ERRORS]
    return InvalidFieldsError(
        [
            (".".join([place, *(str(step)[:80] for step in detail["loc"])]), _sentence(detail))
            for detail in details
        ]
    )


def _sentence(detail: ErrorDetails) -> str:
    values = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in detail.get("ctx", {}).items()
    }
    return SENTENCES.get(detail["type"], "{msg}").format(msg=detail["msg"], **values)
