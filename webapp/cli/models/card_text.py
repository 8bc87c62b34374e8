"""A model card as lines for the terminal."""

from typing import Any

from webapp.inference.models.card import ModelCard


def describe(card: ModelCard) -> list[str]:
    """A card in words, line by line."""
    test = card.metrics.get("test", {})
    lines = [f"{card.title} ({card.name} {card.version})", card.summary, ""]
    lines.append(
        f"{len(card.labels)} {card.noun_plural}: {', '.join(label.display for label in card.labels)}"
    )
    lines.append(f"Sees photos at {card.input.width} x {card.input.height} pixels.")
    lines.append(
        f"Says “unclassified” under {card.threshold:.0%}{', and when a photo looks unfamiliar' if card.familiarity else ''}."
    )
    lines += ["", *_accuracy("On photos it never saw", test)]
    lines += [
        line
        for source, figures in sorted(test.get("sources", {}).items())
        for line in _accuracy(f"  {source}", figures)
    ]
    if test.get("n"):
        before = f"{test['ece_before']:.1%} before temperature {card.temperature:.2f}"
        lines.append(f"Its confidence is off by {test['ece_after']:.1%} on average ({before}).")
    unknown = card.metrics.get("unknown")
    if unknown:
        lines.append(
            f"Of {unknown['n']} photos of other things it leaves {unknown['unclassified']:.0%} unclassified."
        )
    if test.get("per_label"):
        lines += ["", f"{card.noun:<22}{'photos':>7}{'found':>8}{'trust':>8}{'F1':>8}"]
        lines += [
            _label_line(label.display, test["per_label"].get(label.name, {}))
            for label in card.labels
        ]
    if card.limits:
        lines += ["", "What it cannot do:", *(f"  - {limit}" for limit in card.limits)]
    if card.data:
        lines += [
            "",
            "Learned from:",
            *(
                f"  - {one['photos']} {one['source']}; licence: {one['licence']}"
                for one in card.data
            ),
        ]
    if card.split.get("fingerprint"):
        lines += ["", f"Split {card.split['fingerprint'][:16]}, made {card.created_at}"]
    return lines


def _accuracy(name: str, figures: dict[str, Any]) -> list[str]:
    if not figures.get("n"):
        return [f"{name}: not measured"]
    low, high = figures["top1_interval"]
    return [
        f"{name}: {figures['top1']:.1%} of {figures['n']} right (95 % interval {low:.1%} to {high:.1%}), top five {figures['top5']:.1%}"
    ]


def _label_line(display: str, figures: dict[str, Any]) -> str:
    shares = "".join(
        f"{'-' if figures.get(key) is None else format(figures[key], '.0%'):>8}"
        for key in ("recall", "precision", "f1")
    )
    return f"{display:<22}{figures.get('n', 0):>7}{shares}"
