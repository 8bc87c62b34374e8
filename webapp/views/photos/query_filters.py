"""How a filter reads on a page: the words of its parts, the tags that take one off, what its fields offer."""

from collections.abc import Mapping
from datetime import date

from flask import url_for

from webapp.domain import AMONG_FIVE, FIRST_GUESS, KNOWN, NO, VISITORS, YES
from webapp.extensions import get_registry
from webapp.services.photos.query_filters import without
from webapp.views.layout import model_choices, model_title, shown_name
from webapp.views.template_filters import count

OUTCOME_WORDS = {
    "correct": "Right",
    "wrong": "Wrong",
    "unclassified": "Not sure",
    "unlabelled": "Not checked",
    "unusable": "Unusable",
}
SORT_WORDS = [
    ("newest", "Newest first"),
    ("oldest", "Oldest first"),
    ("least-sure", "Least sure first"),
    ("smallest-margin", "Closest calls first"),
    ("most-wrong", "Surest mistakes first"),
]
SOURCE_WORDS = [("upload", "This site"), ("api", "The API"), ("cli", "The terminal")]
MORE = (
    "margin_from",
    "margin_to",
    "since",
    "until",
    "uploader",
    "source",
    "duplicates",
    "starred",
    "audited",
    "checked",
    "learnt",
)
"""Filters that are folded away under "More filters" while none of them is on."""

LABELS = {"predicted": "First guess: {}", "decision": "Answer: {}", "ground_truth": "Really is: {}"}
RANGES = (("from", "to", "{}"), ("margin_from", "margin_to", "Margin {}"))
FIXED = {
    "duplicates": {YES: "Has look-alikes", NO: "No look-alikes"},
    "starred": {YES: "Starred", NO: "Not starred"},
    "audited": {YES: "Drawn for an audit", NO: "Not drawn for an audit"},
    "checked": {
        YES: "Checked",
        KNOWN: "Checked, one of the labels",
        FIRST_GUESS: "First guess was right",
        AMONG_FIVE: "Right label among the first five",
    },
    "learnt": {YES: "Learnt from", NO: "Not learnt from"},
}

TOGETHER = (
    ("batch", "Sent together"),
    ("labelled", "Checked together"),
    ("like", "Nearly the same photo"),
    ("compared", "Versions differ"),
)


def filter_tags(asked: Mapping[str, str], endpoint: str = "gallery.index") -> list[dict[str, str]]:
    """The filters that are on, in words, each with the address of the page without it. The outcome has its tabs, the order no tag."""
    return [
        {"text": text, "url": url_for(endpoint, **without(asked, *names))}
        for names, text in _parts(asked)
    ]  # type: ignore[arg-type]


def asked_model(asked: Mapping[str, str]) -> str:
    """The choice of the field "Answered by": a model, or one version of it as NAME@VERSION."""
    model, version = asked.get("model", ""), asked.get("version", "")
    return f"{model}@{version}" if model and version else model


def version_choices(also: str = "") -> list[tuple[str, str]]:
    """The live models, each followed by its versions when there are several; `also` a choice that is not among them any more."""
    found = []
    for name, title in model_choices():
        found.append((name, title))
        versions = get_registry().versions(name)
        found += (
            [(f"{name}@{one}", f"{title}, version {one}") for one in reversed(versions)]
            if len(versions) > 1
            else []
        )
    return found if not also or also in dict(found) else [*found, (also, _model_words(also))]


def _parts(asked: Mapping[str, str]) -> list[tuple[tuple[str, ...], str]]:
    parts: list[tuple[tuple[str, ...], str]] = []
    if "model" in asked:
        parts.append((("model", "version"), f"Answered by: {_model_words(asked_model(asked))}"))
    parts += [
        ((name,), words.format(shown_name(asked[name])))
        for name, words in LABELS.items()
        if name in asked
    ]
    for low, high, words in RANGES:
        if low in asked or high in asked:
            parts.append(((low, high), words.format(_range(asked.get(low), asked.get(high)))))
    if "since" in asked or "until" in asked:
        parts.append((("since", "until"), _days(asked.get("since"), asked.get("until"))))
    if "filename" in asked:
        parts.append((("filename",), f"Name has “{asked['filename']}”"))
    if "uploader" in asked:
        parts.append(
            (
                ("uploader",),
                f"Sent {'without a login' if asked['uploader'] == VISITORS else 'by ' + asked['uploader']}",
            )
        )
    if "source" in asked:
        parts.append(
            (
                ("source",),
                f"Through: {dict(SOURCE_WORDS).get(asked['source'], asked['source']).casefold()}",
            )
        )
    parts += [((name,), words) for name, words in TOGETHER if name in asked]
    if "picked" in asked:
        parts.append(
            (("picked",), count(len(asked["picked"].split(",")), "photo") + " picked by hand")
        )
    return parts + [((name,), words[asked[name]]) for name, words in FIXED.items() if name in asked]


def _model_words(choice: str) -> str:
    name, _, version = choice.partition("@")
    return f"{model_title(name)}, version {version}" if version else model_title(name)


def _range(low: str | None, high: str | None) -> str:
    low, high = (f"{float(one):.6g}" if one else None for one in (low, high))
    return (
        f"{low} to {high} %" if low and high else f"{low} % or more" if low else f"{high} % or less"
    )


def _days(since: str | None, until: str | None) -> str:
    first, last = (_day(one) if one else "" for one in (since, until))
    if since and since == until:
        return f"On {first}"
    return (
        f"{first} to {last}" if first and last else f"Since {first}" if first else f"Until {last}"
    )


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {day:%b %Y}"
