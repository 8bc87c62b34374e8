"""The names that columns of tables and keys of JSON usually have."""

from collections.abc import Iterable

LABELS = "ground_truth label class class_name category choice target label_name"
PHOTOS = "filename file_name file image path photo name image_id"


def find_column(usual: str, columns: Iterable[str]) -> str | None:
    """The column that has the first of the `usual` names, which are separated by spaces; capital
    letters and underscores do not matter. None when there is none."""
    plain = {column.lower().replace("_", ""): column for column in reversed(list(columns))}
    return next((plain[key] for key in usual.replace("_", "").split() if key in plain), None)
