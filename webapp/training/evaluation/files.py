"""The files of an evaluation: JSON, a page, tables for a spreadsheet, two charts."""

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from webapp.errors import TrainingError
from webapp.inference.classifier import rank_labels
from webapp.inference.metrics.intervals import wilson
from webapp.reports.charts import Bin, Svg, as_file, matrix_svg, reliability_svg
from webapp.reports.csv_safety import to_csv
from webapp.training.evaluation.evaluation import Answered
from webapp.training.evaluation.report import Exam
from webapp.training.evaluation.report_text import headline, page

FILES = (
    "report.md",
    "report.json",
    "per_class.csv",
    "confusion.csv",
    "confusion.svg",
    "reliability.svg",
    "predictions.csv",
)
TOP = 5
OTHER = "other things"


def make_folder(folder: Path) -> None:
    """Make the report's folder before anything is measured. Raises `TrainingError` when it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # leaves nothing behind, whatever comes
            pass
    except OSError as error:
        raise TrainingError(
            f"The report cannot be written to {folder}: {error.strerror}."
        ) from error


def write_files(folder: Path, exam: Exam, report: dict[str, Any]) -> None:
    """Write every file of `FILES`. Raises `TrainingError` when one cannot be written."""
    contents = {
        "report.md": page(report),
        "report.json": to_json(report) + "\n",
        "per_class.csv": per_class_csv(report),
        "confusion.csv": confusion_csv(report),
        "confusion.svg": as_file(confusion_chart(exam, report)),
        "reliability.svg": as_file(reliability_chart(report)),
        "predictions.csv": predictions_csv(exam),
    }
    for name, text in contents.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise TrainingError(
                f"{name} cannot be written to {folder}: {error.strerror}."
            ) from error


def to_json(report: dict[str, Any]) -> str:
    """The report as indented JSON, each list of numbers on one line: a matrix reads as one."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    return re.sub(
        r"\[\s+(-?[\d.][^\]\[\"{}]*?)\s+\]",
        lambda found: f"[{', '.join(found[1].replace(',', ' ').split())}]",
        text,
    )


def per_class_csv(report: dict[str, Any]) -> str:
    """A line for each label that has photos, worst first. Shares are in [0, 1]."""
    heading = (
        "label",
        "display",
        "photos",
        "right",
        "recall",
        "recall_low",
        "recall_high",
        "precision",
        "precision_low",
        "precision_high",
    )
    return to_csv(
        (*heading, "f1", "most_taken_for"), (_label_line(one) for one in report["labels"])
    )


def _label_line(one: dict[str, Any]) -> tuple[object, ...]:
    precise = one["precision_interval"] or (None, None)
    counts = (
        one["label"],
        one["display"],
        one["n"],
        one["right"],
        one["recall"],
        *one["recall_interval"],
    )
    return (*counts, one["precision"], *precise, one["f1"], one["most_taken_for"])


def confusion_csv(report: dict[str, Any]) -> str:
    """The whole confusion matrix: row = truth, column = first label."""
    names = list(report["model"]["display"])
    return to_csv(
        ("truth", *names),
        (
            (name, *counts)
            for name, counts in zip(names, report["figures"]["confusion"], strict=True)
        ),
    )


def predictions_csv(exam: Exam) -> str:
    """A line for each photo, those of other things last: truth, decision, confidence, the first five labels, milliseconds."""
    places = [f"{word}_{place}" for place in range(1, TOP + 1) for word in ("label", "probability")]
    heading = [
        "file",
        "source",
        "part",
        "truth",
        "right",
        "decision",
        "confidence",
        "familiarity",
        *places,
        "decode_ms",
        "network_ms",
    ]
    mirrored = (
        ["mirrored_decision", "mirrored_label", "mirrored_confidence"] if exam.mirrored else []
    )
    return to_csv(
        [*heading, *mirrored],
        (_prediction_line(exam, one) for one in (*exam.answers, *exam.others)),
    )


def _prediction_line(exam: Exam, one: Answered) -> list[object]:
    question = one.question
    first = rank_labels(one.said.probabilities, exam.card)[:TOP]
    cells: list[object] = [question.name, question.source, question.part, question.truth or OTHER]
    right = "" if not question.truth else "yes" if first[0].label == question.truth else "no"
    cells += [right, one.said.decision, round(first[0].probability, 4)]
    cells.append(None if one.said.familiarity is None else round(one.said.familiarity, 4))
    for place in range(TOP):
        cells += (
            [first[place].label, round(first[place].probability, 4)]
            if place < len(first)
            else ["", ""]
        )
    cells += [round(one.decode_ms, 2), round(one.network_ms, 2)]
    if one.mirrored is not None:
        best = rank_labels(one.mirrored.probabilities, exam.card)[0]
        cells += [one.mirrored.decision, best.label, round(best.probability, 4)]
    return cells


def confusion_chart(exam: Exam, report: dict[str, Any]) -> Svg:
    """What is taken for what, labels by their display names, parted by their parents."""
    figures, card = report["figures"], exam.card
    worst = report["mix_ups"][0] if report["mix_ups"] else None
    display = report["model"]["display"]
    pair = (
        f"{display[worst['truth']]} taken for {display[worst['answer']]} ({worst['n']})"
        if worst
        else "none"
    )
    parents = [label.parent for label in card.labels]
    return matrix_svg(
        figures["confusion"],
        [label.display for label in card.labels],
        title=f"What it takes for what: {headline(report)}",
        description=f"Rows are what it is, columns what was said first; the grey diagonal is right. The commonest mistake: {pair}.",
        parents=parents if any(parents) else (),
    )


def reliability_chart(report: dict[str, Any]) -> Svg:
    """What was said against how often it was right, after temperature."""
    off = report["figures"]["ece_after"]
    return reliability_svg(
        bins(report["figures"]["reliability"]),
        title=f"Said against right: {headline(report)}",
        description=f"Dots on the dashed line mean honest confidence. On average it is off by {off:.1%}.",
    )


def bins(rows: Iterable[dict[str, Any]]) -> list[Bin]:
    """The rows of `evaluate.reliability` with their plausible ranges."""
    found = []
    for one in rows:
        low, high = wilson(round(one["accuracy"] * one["n"]), one["n"])
        found.append(Bin(one["confidence"], one["accuracy"], low, high, one["n"]))
    return found
