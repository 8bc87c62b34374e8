"""The files of an evaluation: JSON, a page, tables for a spreadsheet, two charts."""

import tempfile
from pathlib import Path
from typing import Any

from webapp.errors import TrainingError
from webapp.inference.metrics.intervals import wilson
from webapp.inference.models.card import indented_json
from webapp.reports.charts import ReliabilityBin, Svg, as_file, matrix_svg, reliability_svg
from webapp.reports.csv_safety import to_csv
from webapp.training.evaluation.evaluation import TOP, Evaluation, PredictedPhoto
from webapp.training.evaluation.report_text import headline, page


def make_folder(folder: Path) -> None:
    """Make the report's folder. Raises `TrainingError` when it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # leaves nothing behind
    except OSError as error:
        raise TrainingError(
            f"The report cannot be written to {folder}: {error.strerror}."
        ) from error


def write_files(folder: Path, evaluation: Evaluation, report: dict[str, Any]) -> list[str]:
    """Write all files and return their names. Raises `TrainingError` when one cannot be written."""
    files = {
        "report.md": page(report),
        "report.json": indented_json(report) + "\n",
        "per_class.csv": per_class_csv(report),
        "confusion.csv": confusion_csv(report),
        "confusion.svg": as_file(_confusion_chart(evaluation, report)),
        "reliability.svg": as_file(_reliability_chart(report)),
        "predictions.csv": predictions_csv(evaluation),
    }
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise TrainingError(
                f"{name} cannot be written to {folder}: {error.strerror}."
            ) from error
    return [*files]


def per_class_csv(report: dict[str, Any]) -> str:
    """A line for each label that has photos, worst first. Shares are in [0, 1]."""
    headings = "label display photos right recall recall_low recall_high precision precision_low "
    headings += "precision_high f1 most_taken_for"
    rows = []
    for row in report["labels"]:
        recall, precision = row["recall_interval"], row["precision_interval"] or (None, None)
        cells = [row[key] for key in ("label", "display", "n", "right", "recall")]
        cells += [*recall, row["precision"], *precision, row["f1"], row["most_taken_for"]]
        rows.append(cells)
    return to_csv(headings.split(), rows)


def confusion_csv(report: dict[str, Any]) -> str:
    """The whole confusion matrix: row = truth, column = first label."""
    names, counts = list(report["model"]["display"]), report["figures"]["confusion"]
    rows = ((name, *row) for name, row in zip(names, counts, strict=True))
    return to_csv(("truth", *names), rows)


def predictions_csv(evaluation: Evaluation) -> str:
    """A line for each photo, those of other things last."""
    headings = ["file", "source", "part", "truth", "right", "decision", "confidence", "familiarity"]
    for place in range(1, TOP + 1):
        headings += [f"label_{place}", f"probability_{place}"]
    headings += ["decode_ms", "network_ms"]
    if evaluation.mirrored:
        headings += ["mirrored_decision", "mirrored_label", "mirrored_confidence"]
    others = evaluation.others.photos if evaluation.others else []
    photos = (*evaluation.known.photos, *others)
    return to_csv(headings, map(_prediction, photos))


def _prediction(result: PredictedPhoto) -> list[object]:
    photo, answer, familiarity = result.photo, result.answer, result.answer.output.familiarity
    right = "yes" if answer.label == photo.label else "no"
    cells: list[object] = [photo.name, photo.source, photo.part, photo.label or "other things"]
    cells += [right if photo.label else "", answer.decision, round(answer.confidence, 4)]
    cells.append(None if familiarity is None else round(familiarity, 4))
    for label in answer.ranked:
        cells += [label.label, round(label.probability, 4)]
    cells += [""] * (2 * (TOP - len(answer.ranked)))
    cells += [round(result.decode_ms, 2), round(result.network_ms, 2)]
    if mirrored := result.mirrored:
        cells += [mirrored.decision, mirrored.label, round(mirrored.confidence, 4)]
    return cells


def _confusion_chart(evaluation: Evaluation, report: dict[str, Any]) -> Svg:
    """What is taken for what, labels by their display names, grouped by their parents."""
    display, labels = report["model"]["display"], evaluation.card.labels
    worst = next(iter(report["mix_ups"]), None)
    pair = "none"
    if worst:
        pair = f"{display[worst['truth']]} taken for {display[worst['answer']]} ({worst['n']})"
    parents = [label.parent for label in labels]
    return matrix_svg(
        report["figures"]["confusion"],
        [label.display for label in labels],
        title=f"What it takes for what: {headline(report)}",
        description="Rows are what it is, columns what came first; the grey diagonal is right. "
        f"The commonest mistake: {pair}.",
        parents=parents if any(parents) else (),
    )


def _reliability_chart(report: dict[str, Any]) -> Svg:
    """Confidence against how often it was right, after temperature."""
    bins = []
    for row in report["figures"]["reliability"]:
        low, high = wilson(round(row["accuracy"] * row["n"]), row["n"])
        bins.append(ReliabilityBin(row["confidence"], row["accuracy"], low, high, row["n"]))
    off = report["figures"]["ece_after"]
    return reliability_svg(
        bins,
        title=f"Confidence against right: {headline(report)}",
        description="Dots on the dashed line mean honest confidence. "
        f"On average it is off by {off:.1%}.",
    )
