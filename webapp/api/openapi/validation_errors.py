"""What is wrong with a request, in our words: where, and what."""

from typing import Any

from pydantic import ValidationError

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
}
"""By the kind of error that pydantic names; its own words for the rest."""
MOST = 20


def invalid(place: str, error: ValidationError) -> InvalidFieldsError:
    """The error for what does not fit; `place` is `query`, `body` or `form`."""
    faults = error.errors(include_url=False, include_input=False)[:MOST]
    return InvalidFieldsError([(_where(place, one["loc"]), _what(one)) for one in faults])


def _where(place: str, path: tuple[int | str, ...]) -> str:
    return ".".join([place, *(str(step)[:80] for step in path)])


def _what(fault: Any) -> str:
    known = {
        name: int(one) if isinstance(one, float) and one.is_integer() else one
        for name, one in fault.get("ctx", {}).items()
    }
    return SENTENCES.get(fault["type"], "{msg}").format(msg=fault["msg"], **known)
