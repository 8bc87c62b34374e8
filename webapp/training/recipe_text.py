"""A recipe as the text of a TOML file, which `read_recipe` reads back as the same recipe."""

import json
from dataclasses import fields, is_dataclass
from typing import Any

from webapp.training.recipe import Recipe


def recipe_text(recipe: Recipe, *comments: str) -> str:
    """Every setting of `recipe`, one per line, in the order of docs and code, below `comments` (one line each)."""
    lines = [f"# {comment}" for comment in comments]
    plain = [one.name for one in fields(recipe) if not _is_table(getattr(recipe, one.name))]
    lines += ["", *(_line(name, getattr(recipe, name)) for name in plain)]
    for one in fields(recipe):
        value = getattr(recipe, one.name)
        if is_dataclass(value):
            lines += ["", f"[{one.name}]", *_table(value)]
        elif _is_table(value):
            for member in value:
                lines += ["", f"[[{one.name}]]", *_table(member)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_table(value: Any) -> bool:
    """Is it written as `[name]` or, when it is a list of such, as `[[name]]`?"""
    return is_dataclass(value) or (
        isinstance(value, tuple) and bool(value) and is_dataclass(value[0])
    )


def _table(table: Any) -> list[str]:
    return [_line(one.name, getattr(table, one.name)) for one in fields(table)]


def _line(name: str, value: Any) -> str:
    return f"{name} = {_text(value)}"


def _text(value: Any) -> str:
    """Strings as JSON writes them, which TOML reads alike (but for the character 127, which TOML wants escaped)."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_text(one) for one in value)}]"
    return repr(value)
