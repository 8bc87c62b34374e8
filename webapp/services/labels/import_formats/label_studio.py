"""Label Studio's exports: the full one, and the short one ("JSON-MIN")."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from webapp.services.labels.import_formats.label_line import LabelLine, text_of


def read_label_studio(tasks: list[dict[str, Any]]) -> Iterator[LabelLine]:
    """A line for each task. Of several annotations the last that was not cancelled counts."""
    for number, task in enumerate(tasks, 1):
        inner = task.get("data")
        data: dict[str, Any] = inner if isinstance(inner, dict) else task
        url = text_of(data, "image") or text_of(task, "file_upload")
        name = text_of(data, "filename") or unquote(urlsplit(url).path.rpartition("/")[2])
        label = _choice_of(task) or text_of(task, "choice") or text_of(task, "label")
        names = (text_of(data, "marque_id"), text_of(data, "sha256"), name)
        yield LabelLine(f"task {number}", label, *names)


def _choice_of(task: dict[str, Any]) -> str:
    annotations = task.get("annotations")
    for annotation in reversed(annotations if isinstance(annotations, list) else []):
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        for result in annotation.get("result") or []:
            value = result.get("value") if isinstance(result, dict) else None
            choices = (value or {}).get("choices")
            if isinstance(choices, list) and choices:
                return str(choices[0])
    return ""
