"""The report of an evaluation in words: lines for the terminal, and a page of Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

WORST, PAIRS = 12, 10
"""Labels and pairs that the terminal shows; the files have them all."""
PAGE_WORST, PAGE_PAIRS = 25, 20
LISTED = 3
PARTS = {
    "test": "kept apart in training",
    "new": "new to it",
    "train": "learnt",
    "validation": "validation part",
    "near": "nearly repeated",
}
DRAWN = 40
"""Labels up to which a page shows its confusion matrix in place; a larger one is a link."""
LARGE = "The matrix is large: open [confusion.svg](confusion.svg) in a browser. Each cell says what it counts."
READING = """## How to read it

- **Interval**: with this many photos any true share in it is plausible (95 %, Wilson). Differences inside the intervals may be chance.
- **Found** is recall: of a label’s photos, how many it named first. **Trust** is precision: when it names the label, how often that
  is right. **F1** is the harmonic mean of the two; **macro** counts each label the same, **weighted** by its photos.
- **Confidence is off by** is the expected calibration error over ten equally wide bins.
- **Unclassified**: it was not sure enough to name a label. **AUROC**: the chance that it is surer of a known photo than of another thing.

Files: `report.json` (every figure), `per_class.csv`, `confusion.csv`, `predictions.csv` (a line for each photo), `confusion.svg`,
`reliability.svg`."""


def in_words(report: dict[str, Any]) -> list[str]:
    """The report for the terminal, without its warnings: what was measured, the figures, the weakest labels, the commonest mistakes."""
    lines = [headline(report), *held_out(report), ""]
    lines += [f"{name:<22}{value:>8}  {more}".rstrip() for name, value, more in rows(report)]
    for heading, groups in (("source", report["sources"]), ("part", _named(report["parts"]))):
        if groups:
            lines += ["", *_columns(heading, groups)]
    lines += ["", *_labels(report)]
    if report["mix_ups"]:
        lines += ["", "Most often mistaken:", *(f"  {one}" for one in _pairs(report, PAIRS))]
    return lines


def headline(report: dict[str, Any]) -> str:
    """Which version was asked about what."""
    model, photos = report["model"], report["photos"]
    if not photos["split_known"]:
        seen = "; nobody knows whether it has seen them"
    elif photos["seen_before"]:
        seen = f", {photos['seen_before']:,} of which it has seen before"
    else:
        seen = " that it has never seen"
    return f"{model['title']} ({model['name']} {model['version']}), asked about {_photos(photos['measured'])}{seen}"


def held_out(report: dict[str, Any]) -> list[str]:
    """Where the photos come from, and what was left out and why."""
    photos = report["photos"]
    lines = []
    if photos["split_known"]:
        parts = sorted(photos["parts"].items())
        lines.append(
            "Asked: " + ", ".join(f"{n:,} {PARTS.get(part, part)}" for part, n in parts) + "."
        )
    if photos["left_out"]:
        lines.append(f"Left out: {photos['left_out_because']}.")
    if photos["unknown_labels"]:
        names = photos["unknown_labels"]
        lines.append(
            f"Left out: {_photos(sum(names.values()))} of labels that it does not know ({_some(list(names))})."
        )
    if photos["two_labels"]:
        lines.append(
            f"Left out: {len(photos['two_labels']):,} files under two labels ({_some(photos['two_labels'])})."
        )
    if photos["repeated"]:
        lines.append(f"Counted once: {photos['repeated']:,} further copies of a file.")
    for what, files in (
        ("cannot be read", photos["unreadable"]),
        ("led to no photo", photos["missing"]),
    ):
        if files:
            lines.append(f"Left out: {len(files):,} that {what} ({_some(files)}).")
    return lines


def rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The main figures: name, value, and what belongs to it."""
    figures, model = report["figures"], report["model"]
    found = [
        (
            "Right at first",
            _share(figures["top1"]),
            f"of {_photos(figures['n'])} ({_range(figures['top1_interval'])})",
        ),
        ("Among the first five", _share(figures["top5"]), ""),
        (
            "Macro F1",
            f"{figures['macro_f1']:.3f}",
            f"each label counts the same; {figures['weighted_f1']:.3f} weighted by photos",
        ),
        (
            "Confidence is off by",
            _share(figures["ece_after"]),
            f"on average; {_share(figures['ece_before'])} before temperature {model['temperature']:.2f}",
        ),
        (
            "Left unclassified",
            _share(figures["unclassified"]),
            f"({_range(figures['unclassified_interval'])}){_unfamiliar(figures)}",
        ),
    ]
    if figures["top1_when_decided"] is not None:
        found.append(
            (
                "Right when it decides",
                _share(figures["top1_when_decided"]),
                f"({_range(figures['when_decided_interval'])})",
            )
        )
    return (
        found
        + _rows_of_others(report)
        + _rows_of_mirror(report)
        + _rows_of_speed(report["speed"], model["engine"])
    )


def _rows_of_others(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    others = report["others"]
    if not others:
        return []
    silent = f"of {_photos(others['n'])} of {others['source']} left unclassified ({_range(others['interval'])})"
    fitted = (
        f"; {others['fitted_on']} photos of a folder of this name chose its limits"
        if others["fitted_on"]
        else ""
    )
    area, alone = others["auroc_of_familiarity"], others["auroc_of_confidence"]
    if area is None:
        return [
            ("Other things", _share(others["unclassified"]), silent),
            ("AUROC", f"{alone:.3f}", f"of the confidence{fitted}"),
        ]
    return [
        ("Other things", _share(others["unclassified"]), silent + _unfamiliar(others)),
        (
            "AUROC",
            f"{area:.3f}",
            f"of the familiarity; {alone:.3f} of the confidence alone{fitted}",
        ),
    ]


def _unfamiliar(figures: dict[str, Any]) -> str:
    return (
        ""
        if figures["unfamiliar"] is None
        else f", {_share(figures['unfamiliar'])} as like nothing it learned from"
    )


def _rows_of_mirror(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    mirrored = report["mirrored"]
    if not mirrored:
        return []
    chance = "more than chance explains" if mirrored["p_value"] < 0.05 else "which may be chance"
    differ = f"fixes {len(mirrored['fixed'])}, breaks {len(mirrored['broken'])}, {chance} (McNemar’s exact p = {mirrored['p_value']:.2g})"
    rest = (
        f"off by {_share(mirrored['ece_after'])}, unclassified {_share(mirrored['unclassified'])}"
    )
    others = (report["others"] or {}).get("mirrored")
    area = (others["auroc_of_familiarity"] or others["auroc_of_confidence"]) if others else 0
    more = f"; other things {_share(others['unclassified'])}, AUROC {area:.3f}" if others else ""
    return [
        ("Mirrored as well", _share(mirrored["top1"]), f"right at first; {differ}"),
        ("", "", rest + more),
    ]


def _rows_of_speed(speed: dict[str, Any], engine: str) -> list[tuple[str, str, str]]:
    names = {
        "both": "Time for a photo",
        "decode": "  decoding",
        "network": "  network",
        "mirror": "  network, mirrored",
    }
    notes = {"both": f"; one at a time, engine {engine}"}
    return [
        (
            words,
            f"{speed[key]['p50']:.1f} ms",
            f"median; 99 of 100 take at most {speed[key]['p99']:.1f}{notes.get(key, '')}",
        )
        for key, words in names.items()
        if key in speed
    ]


def _columns(heading: str, groups: dict[str, Any]) -> list[str]:
    lines = [
        f"{heading:<24}{'photos':>8}{'right':>8}  {'95 % interval':<17}{'top five':>9}{'macro F1':>10}{'off by':>8}{'unclass.':>10}"
    ]
    for name, one in groups.items():
        plausible = f"{_share(one['top1_interval'][0])} to {_share(one['top1_interval'][1])}"
        lines.append(
            f"{_cut(name, 23):<24}{one['n']:>8,}{_share(one['top1']):>8}  {plausible:<17}{_share(one['top5']):>9}"
            f"{one['macro_f1']:>10.3f}{_share(one['ece_after']):>8}{_share(one['unclassified']):>10}"
        )
    return lines


def _labels(report: dict[str, Any]) -> list[str]:
    found, noun = report["labels"], report["model"]["noun"]
    names = _display(report)
    wide = max([len(noun), *(len(one["display"]) for one in found[:WORST])]) + 2
    columns = f"{'photos':>7}{'found':>8}{'95 % interval':>16}{'trust':>8}{'F1':>7}  most taken for"
    lines = [f"{noun:<{wide}}{columns}"]
    for one in found[:WORST]:
        plausible = f"{one['recall_interval'][0]:.0%} to {one['recall_interval'][1]:.0%}"
        trust = "-" if one["precision"] is None else f"{one['precision']:.0%}"
        shares = f"{one['recall']:>8.0%}{plausible:>16}{trust:>8}{one['f1']:>7.2f}"
        taken = names[one["most_taken_for"]] if one["most_taken_for"] else ""
        lines.append(f"{one['display']:<{wide}}{one['n']:>7,}{shares}  {taken}".rstrip())
    if len(found) > WORST:
        lines.append(
            f"… and {len(found) - WORST:,} {report['model']['noun_plural']} that it finds more often"
        )
    without = report["model"]["labels"] - len(found)
    if without:
        lines.append(
            f"Not measured, for want of a photo: {without:,} of its {report['model']['labels']:,} {report['model']['noun_plural']}."
        )
    return lines


def _pairs(report: dict[str, Any], most: int) -> list[str]:
    names = _display(report)
    found = [
        f"{names[one['truth']]} taken for {names[one['answer']]}: {one['n']:,} of {one['of']:,}"
        for one in report["mix_ups"][:most]
    ]
    left = len(report["mix_ups"]) - most
    return found + ([f"… and {left:,} more pairs"] if left > 0 else [])


# ---- a page ----


def page(report: dict[str, Any]) -> str:
    """The report as Markdown, with its warnings first, for the folder in which the other files lie."""
    model, photos = report["model"], report["photos"]
    lines = [f"# {_plain(headline(report))}", ""]
    for one in report["warnings"]:
        lines += ["> [!CAUTION]", f"> **{_plain(one)}**", ""]
    lines += [f"- {_plain(one)}" for one in held_out(report)]
    when = report["measured_at"][:16].replace("T", " ")
    lines.append(
        f"- Measured {when} UTC. Photos {photos['fingerprint'][:16]}, split {model['split'][:16] or 'not known'}."
    )
    lines += ["", *_table(("Figure", "Value", ""), rows(report))]
    for heading, groups in (("By source", report["sources"]), ("By part", _named(report["parts"]))):
        if groups:
            columns = (
                "",
                "Photos",
                "Right",
                "95 % interval",
                "Top five",
                "Macro F1",
                "Unclassified",
            )
            lines += ["", f"## {heading}", "", *_table(columns, _group_rows(groups))]
    lines += [
        "",
        "## Does 90 % mean 90 %?",
        "",
        "![What was said against how often it was right](reliability.svg)",
    ]
    lines += [
        "",
        "## What it takes for what",
        "",
        "![Confusion matrix](confusion.svg)" if model["labels"] <= DRAWN else LARGE,
        "",
    ]
    lines += [f"- {_plain(one)}" for one in _pairs(report, PAGE_PAIRS)] or [
        "No photo was mistaken."
    ]
    lines += [
        "",
        f"## {_plain(model['noun']).capitalize()} by {_plain(model['noun'])}, weakest first",
        "",
        *_label_table(report),
    ]
    if report["others"] and report["others"]["named"]:
        named = ", ".join(
            f"{_display(report).get(name, name)} {n}"
            for name, n in report["others"]["named"].items()
        )
        lines += ["", "## Other things that it named", "", _plain(named)]
    return "\n".join([*lines, "", READING]) + "\n"


def _group_rows(groups: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{one['n']:,}",
            _share(one["top1"]),
            " to ".join(map(_share, one["top1_interval"])),
            _share(one["top5"]),
            f"{one['macro_f1']:.3f}",
            _share(one["unclassified"]),
        )
        for name, one in groups.items()
    ]


def _label_table(report: dict[str, Any]) -> list[str]:
    names = _display(report)
    found = [
        (
            one["display"],
            f"{one['n']:,}",
            f"{one['recall']:.0%}",
            f"{one['recall_interval'][0]:.0%} to {one['recall_interval'][1]:.0%}",
            "-" if one["precision"] is None else f"{one['precision']:.0%}",
            f"{one['f1']:.2f}",
            names.get(one["most_taken_for"], ""),
        )
        for one in report["labels"][:PAGE_WORST]
    ]
    left = len(report["labels"]) - PAGE_WORST
    more = ["", f"{left:,} more are in [per_class.csv](per_class.csv)."] if left > 0 else []
    return [
        *_table(("", "Photos", "Found", "95 % interval", "Trust", "F1", "Most taken for"), found),
        *more,
    ]


def _table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    head = "| " + " | ".join(heading) + " |"
    return [
        head,
        "|" + "---|" * len(heading),
        *("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines),
    ]


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: names of files and labels may carry anything."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


# ---- words ----


def _display(report: dict[str, Any]) -> dict[str, str]:
    return report["model"]["display"]


def _named(parts: dict[str, Any]) -> dict[str, Any]:
    return {PARTS.get(part, part): figures for part, figures in parts.items()}


def _photos(n: int) -> str:
    return "1 photo" if n == 1 else f"{n:,} photos"


def _share(share: float) -> str:
    return f"{share:.1%}"


def _range(bounds: Sequence[float]) -> str:
    return f"95 % interval {_share(bounds[0])} to {_share(bounds[1])}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (
        f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
