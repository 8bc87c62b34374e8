"""The report of an evaluation as text: lines for the terminal, and a page of Markdown."""

from collections.abc import Callable, Sequence
from typing import Any

from webapp.inference.metrics.counts import calibration_error_by_chance
from webapp.training.evaluation.photos import shortened

_PARTS = {
    "test": "kept apart in training",
    "new": "new to it",
    "train": "trained on",
    "validation": "validation part",
    "near": "nearly repeated",
}
_LARGE = 40  # labels; a larger confusion matrix is a link on the page
_EXPLANATION = """## How to read it

- **Interval**: with this many photos any true share in it is plausible (95 %, Wilson). Differences
  inside the intervals may be chance.
- **Found** is recall: of a label’s photos, how many it named first. **Trust** is precision: when
  it names the label, how often that is right. **F1** is the harmonic mean of the two; **macro**
  counts each label the same, **weighted** by its photos.
- **Confidence is off by** is the expected calibration error over ten equally wide bins.
- **Unclassified**: it was not sure enough to name a label. **AUROC**: the chance that it is surer
  of a known photo than of another thing.

Files: `report.json` (every figure), `per_class.csv`, `confusion.csv`, `predictions.csv` (a line for
each photo), `confusion.svg`, `reliability.svg`."""

_Row = tuple[str, ...]


def terminal_lines(report: dict[str, Any]) -> list[str]:
    """The report for the terminal, without its warnings."""
    lines = [headline(report), *_where_from(report), ""]
    lines += [f"{name:<22}{value:>8}  {more}".rstrip() for name, value, more in _figures(report)]
    for heading, groups in _groups(report).items():
        lines += ["", *_columns(heading.lower(), _GROUP_COLUMNS, _group_rows(groups))]
    rows = _label_rows(report, 12)
    lines += ["", *_columns(report["model"]["noun"], _LABEL_COLUMNS, rows)]
    model, measured = report["model"], len(report["labels"])
    if more := measured - len(rows):
        lines.append(f"… and {more:,} {model['noun_plural']} that it finds more often")
    if without := model["labels"] - measured:
        labels = f"{model['labels']:,} {model['noun_plural']}"
        lines.append(f"Not measured, for want of a photo: {without:,} of its {labels}.")
    if report["mix_ups"]:
        lines += ["", "Most often mistaken:", *(f"  {pair}" for pair in _pairs(report, 10))]
    return lines


def page(report: dict[str, Any]) -> str:
    """The report as Markdown, its warnings first, for the folder of the other files."""
    model, noun = report["model"], _escaped(report["model"]["noun"])
    measured_at = report["measured_at"][:16].replace("T", " ")
    photos, split = report["photos"]["fingerprint"][:16], model["split"][:16] or "not known"
    lines = [f"# {_escaped(headline(report))}", ""]
    for warning in report["warnings"]:
        lines += ["> [!CAUTION]", f"> **{_escaped(warning)}**", ""]
    lines += [f"- {_escaped(line)}" for line in _where_from(report)]
    lines.append(f"- Measured {measured_at} UTC. Photos {photos}, split {split}.")
    lines += ["", *_table(("Figure", "Value", ""), _figures(report))]
    for heading, groups in _groups(report).items():
        table = _table(("", *_GROUP_COLUMNS), _group_rows(groups))
        lines += ["", f"## By {heading.lower()}", "", *table]
    matrix = "![Confusion matrix](confusion.svg)"
    if model["labels"] > _LARGE:
        matrix = "The matrix is large: open [confusion.svg](confusion.svg) in a browser."
    pairs = [f"- {_escaped(pair)}" for pair in _pairs(report, 20)] or ["No photo was mistaken."]
    lines += ["", "## Does 90 % mean 90 %?", ""]
    lines += ["![Confidence against how often it was right](reliability.svg)"]
    lines += ["", "## What it takes for what", "", matrix, "", *pairs]
    rows = _label_rows(report, 25)
    lines += ["", f"## {noun.capitalize()} by {noun}, weakest first", ""]
    lines += _table(("", *_LABEL_COLUMNS), rows)
    if left := len(report["labels"]) - len(rows):
        lines += ["", f"{left:,} more are in [per_class.csv](per_class.csv)."]
    if report["others"] and report["others"]["named"]:
        display, named = model["display"], report["others"]["named"].items()
        names = ", ".join(f"{display.get(name, name)} {n}" for name, n in named)
        lines += ["", "## Other things that it named", "", _escaped(names)]
    return "\n".join([*lines, "", _EXPLANATION]) + "\n"


def headline(report: dict[str, Any]) -> str:
    """Which version was measured on what."""
    model, photos = report["model"], report["photos"]
    if not photos["split_known"]:
        seen = "; nobody knows whether it has seen them"
    elif photos["seen_before"]:
        seen = f", {photos['seen_before']:,} of which it has seen before"
    else:
        seen = " that it has never seen"
    version = f"{model['title']} ({model['name']} {model['version']})"
    return f"{version}, measured on {_photos(photos['measured'])}{seen}"


def _where_from(report: dict[str, Any]) -> list[str]:
    """Where the photos come from, and what was left out and why."""
    photos, lines = report["photos"], []
    if photos["split_known"]:
        parts = (f"{n:,} {_PARTS.get(part, part)}" for part, n in sorted(photos["parts"].items()))
        lines.append(f"Photos: {', '.join(parts)}.")
    if photos["left_out"]:
        lines.append(f"Left out: {photos['left_out_because']}.")
    if unknown := photos["unknown_labels"]:
        count, names = _photos(sum(unknown.values())), shortened(list(unknown), 3)
        lines.append(f"Left out: {count} of labels that it does not know ({names}).")
    if photos["repeated"]:
        lines.append(f"Counted once: {photos['repeated']:,} further copies of a file.")
    problems = (
        ("two_labels", "files under two labels"),
        ("unreadable", "that cannot be read"),
        ("missing", "that led to no photo"),
    )
    for key, problem in problems:
        if names := photos[key]:
            lines.append(f"Left out: {len(names):,} {problem} ({shortened(names, 3)}).")
    return lines


def _figures(report: dict[str, Any]) -> list[_Row]:
    """The main figures: name, value, and what belongs to it."""
    figures, temperature = report["figures"], report["model"]["temperature"]
    before = f"{_share(figures['ece_before'])} before temperature {temperature:.2f}"
    bins = [(row["n"], row["confidence"]) for row in figures["reliability"]]
    chance = f"chance alone makes it {_share(calibration_error_by_chance(bins))}"
    weighted = f"{figures['weighted_f1']:.3f} weighted by photos"
    silent = _range(figures["unclassified_interval"]) + _unfamiliar(figures)
    of_all = f"of {_photos(figures['n'])} ({_range(figures['top1_interval'])})"
    rows: list[_Row] = [
        ("Right at first", _share(figures["top1"]), of_all),
        ("Among the first five", _share(figures["top5"]), ""),
        ("Macro F1", f"{figures['macro_f1']:.3f}", f"each label counts the same; {weighted}"),
        ("Confidence is off by", _share(figures["ece_after"]), f"on average; {chance}; {before}"),
        ("Left unclassified", _share(figures["unclassified"]), silent),
    ]
    if figures["top1_when_decided"] is not None:
        right, interval = figures["top1_when_decided"], figures["when_decided_interval"]
        rows.append(("Right when it decides", _share(right), _range(interval)))
    if (parent := figures.get("parent")) and parent["n"]:
        what = f"of {_photos(parent['n'])} answered by a parent ({_range(parent['interval'])})"
        rows.append(("Right parent", _share(parent["right"] / parent["n"]), what))
    if report["others"]:
        rows += _other_rows(report["others"])
    if report["mirrored"]:
        rows += _mirror_rows(report["mirrored"], report["others"])
    return rows + _speed_rows(report["speed"], report["model"]["engine"])


def _other_rows(others: dict[str, Any]) -> list[_Row]:
    silent = f"of {_photos(others['n'])} of {others['source']} left unclassified"
    silent += f" ({_range(others['interval'])}){_unfamiliar(others)}"
    fitted = ""
    if others["fitted_on"]:
        fitted = f"; {others['fitted_on']} photos of a folder of this name chose its limits"
    area, alone = others["auroc_of_familiarity"], others["auroc_of_confidence"]
    what = "of the confidence"
    if area is not None:
        what = f"of the familiarity; {alone:.3f} of the confidence alone"
    row = ("AUROC", f"{alone if area is None else area:.3f}", what + fitted)
    return [("Other things", _share(others["unclassified"]), silent), row]


def _unfamiliar(figures: dict[str, Any]) -> str:
    share = figures["unfamiliar"]
    return "" if share is None else f", {_share(share)} unlike anything it was trained on"


def _mirror_rows(mirrored: dict[str, Any], others: dict[str, Any] | None) -> list[_Row]:
    p_value = mirrored["p_value"]
    chance = "more than chance explains" if p_value < 0.05 else "which may be chance"
    changes = (
        f"right at first; fixes {len(mirrored['fixed'])}, breaks {len(mirrored['broken'])}, "
        f"{chance} (McNemar’s exact p = {p_value:.2g})"
    )
    more = f"off by {_share(mirrored['ece_after'])}, "
    more += f"unclassified {_share(mirrored['unclassified'])}"
    if others:
        other = others["mirrored"]
        area = other["auroc_of_familiarity"] or other["auroc_of_confidence"]
        more += f"; other things {_share(other['unclassified'])}, AUROC {area:.3f}"
    return [("Mirrored as well", _share(mirrored["top1"]), changes), ("", "", more)]


def _speed_rows(speed: dict[str, Any], engine: str) -> list[_Row]:
    names = {"both": "Time for a photo", "decode": "  decoding", "network": "  network"}
    names["mirror"] = "  network, mirrored"
    rows: list[_Row] = []
    for key in (key for key in names if key in speed):
        note = f"; one at a time, engine {engine}" if key == "both" else ""
        more = f"median; 99 of 100 take at most {speed[key]['p99']:.1f}{note}"
        rows.append((names[key], f"{speed[key]['p50']:.1f} ms", more))
    return rows


# ---- tables ----

_GROUP_COLUMNS = ("Photos", "Right", "95 % interval", "Top five", "Macro F1", "Off by", "Unclass.")
_LABEL_COLUMNS = ("Photos", "Found", "95 % interval", "Trust", "F1", "Most taken for")


def _groups(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures by source and by part, where there are several."""
    parts = {_PARTS.get(part, part): figures for part, figures in report["parts"].items()}
    groups = {"Source": report["sources"], "Part": parts}
    return {heading: figures for heading, figures in groups.items() if figures}


def _group_rows(groups: dict[str, Any]) -> list[_Row]:
    return [
        (
            name,
            f"{figures['n']:,}",
            _share(figures["top1"]),
            " to ".join(map(_share, figures["top1_interval"])),
            _share(figures["top5"]),
            f"{figures['macro_f1']:.3f}",
            _share(figures["ece_after"]),
            _share(figures["unclassified"]),
        )
        for name, figures in groups.items()
    ]


def _label_rows(report: dict[str, Any], most: int) -> list[_Row]:
    names = report["model"]["display"]
    return [
        (
            row["display"],
            f"{row['n']:,}",
            f"{row['recall']:.0%}",
            " to ".join(f"{bound:.0%}" for bound in row["recall_interval"]),
            "-" if row["precision"] is None else f"{row['precision']:.0%}",
            f"{row['f1']:.2f}",
            names.get(row["most_taken_for"], ""),
        )
        for row in report["labels"][:most]
    ]


def _pairs(report: dict[str, Any], most: int) -> list[str]:
    names, pairs = report["model"]["display"], report["mix_ups"]
    lines = [
        f"{names[pair['truth']]} taken for {names[pair['answer']]}: {pair['n']:,} of {pair['of']:,}"
        for pair in pairs[:most]
    ]
    return lines + ([f"… and {len(pairs) - most:,} more pairs"] if len(pairs) > most else [])


def _columns(first: str, headings: _Row, rows: Sequence[_Row]) -> list[str]:
    """A table for the terminal: the first and a last column of names left, all others right."""
    table = [(first, *(heading.lower() for heading in headings)), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    align: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * len(headings)]
    if headings[-1] == "Most taken for":
        align[-1] = str.ljust
    lines = []
    for row in table:
        cells = [fit(text, width) for fit, text, width in zip(align, row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _table(headings: _Row, rows: Sequence[_Row]) -> list[str]:
    """A table in Markdown."""
    lines = [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
    return lines + [f"| {' | '.join(map(_escaped, row))} |" for row in rows]


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is: names of files and labels may contain anything."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _photos(n: int) -> str:
    return "1 photo" if n == 1 else f"{n:,} photos"


def _share(share: float) -> str:
    return f"{share:.1%}"


def _range(bounds: Sequence[float]) -> str:
    return f"95 % interval {_share(bounds[0])} to {_share(bounds[1])}"
