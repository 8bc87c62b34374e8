"""A model card as lines for the terminal."""

from typing import Any

from webapp.inference.models.card import ModelCard


def describe(card: ModelCard) -> list[str]:
    """A card in words, line by line."""
    test = card.metrics.get("test", {})
    unfamiliar = ", and when a photo looks unfamiliar" if card.familiarity else ""
    labels = ", ".join(label.display for label in card.labels)
    parents = ""
    if card.parent_threshold is not None:
        parents = f" Names the parent of its labels then, from {card.parent_threshold:.0%} on."
    lines = [
        f"{card.title} ({card.name} {card.version})",
        card.summary,
        "",
        f"{len(card.labels)} {card.noun_plural}: {labels}",
        f"Sees photos at {card.input.width} x {card.input.height} pixels.",
        f"Answers “unclassified” under {card.threshold:.0%}{unfamiliar}.{parents}",
        "",
        _accuracy("On held-out photos", test),
    ]
    for source, figures in sorted(test.get("sources", {}).items()):
        lines.append(_accuracy(f"  {source}", figures))
    if test.get("n"):
        before = f"{test['ece_before']:.1%} before temperature {card.temperature:.2f}"
        lines.append(f"Its confidence is off by {test['ece_after']:.1%} on average ({before}).")
    if unknown := card.metrics.get("unknown"):
        share = f"{unknown['unclassified']:.0%}"
        lines.append(f"Of {unknown['n']} photos of other things it leaves {share} unclassified.")
    if figures := test.get("per_label"):
        columns = f"{'photos':>7}{'recall':>8}{'prec.':>8}{'F1':>8}"
        lines += ["", f"{card.noun:<22}{columns}"]
        lines += [_label_line(label.display, figures.get(label.name, {})) for label in card.labels]
    if card.limits:
        lines += ["", "What it cannot do:", *(f"  - {limit}" for limit in card.limits)]
    if card.data:
        lines += ["", "Trained on:"]
        lines += [
            f"  - {data['photos']} {data['source']}; licence: {data['licence']}"
            for data in card.data
        ]
    if card.split.get("fingerprint"):
        lines += ["", f"Split {card.split['fingerprint'][:16]}, made {card.created_at}"]
    return lines


def _accuracy(name: str, figures: dict[str, Any]) -> str:
    if not figures.get("n"):
        return f"{name}: not measured"
    low, high = figures["top1_interval"]
    return (
        f"{name}: {figures['top1']:.1%} of {figures['n']} right "
        f"(95 % interval {low:.1%} to {high:.1%}), top five {figures['top5']:.1%}"
    )


def _label_line(display: str, figures: dict[str, Any]) -> str:
    shares = (figures.get(key) for key in ("recall", "precision", "f1"))
    columns = "".join(f"{'-' if share is None else format(share, '.0%'):>8}" for share in shares)
    return f"{display:<22}{figures.get('n', 0):>7}{columns}"
