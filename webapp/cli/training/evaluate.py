"""`flask model evaluate`: measure a published version on labelled photos, as it serves."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from webapp.cli.models.versions import FOLDER, in_words, name_and_number
from webapp.cli.training.dataset import layout_options, recipe_for
from webapp.extensions import get_config, get_registry, load_version
from webapp.inference.classifier import Classifier
from webapp.inference.models.held_out import read_split

if TYPE_CHECKING:
    from webapp.training.evaluation.photos import Question, Watch
    from webapp.training.evaluation.report import Exam
    from webapp.training.recipe import Recipe


@click.command("evaluate")
@click.argument("name_and_version", metavar="NAME[@VERSION]")
@click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    type=FOLDER,
    help="A folder of photos, as for `flask model train`. May be repeated.",
)
@layout_options
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recipe of your own instead of NAME's.",
)
@click.option(
    "--unknown",
    type=FOLDER,
    help="A folder of photos of other things: how often it admits that it does not know.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the report into a folder: page, tables, charts, JSON.",
)
@click.option(
    "--tta",
    is_flag=True,
    help="Look at each photo mirrored as well, and say what the mean of both answers gains and costs.",
)
@click.option("--json", "as_json", is_flag=True, help="Every figure as one JSON object.")
@click.option(
    "--include-training",
    is_flag=True,
    help="Also ask about photos that it has learnt from: the figures then flatter it.",
)
@with_appcontext
def evaluate_command(
    name_and_version: str,
    data: tuple[Path, ...],
    layout: str | None,
    image_column: str,
    label_column: str,
    recipe_file: Path | None,
    unknown: Path | None,
    out: Path | None,
    tta: bool,
    as_json: bool,
    include_training: bool,
) -> None:
    """Measure the version of NAME that serves (or VERSION) on labelled photos that it has never seen, as uploads would be answered.

    Photos that it has learnt from, and those that chose its limits, are left out and counted.
    """
    from webapp.training.evaluation.files import FILES, make_folder, to_json, write_files
    from webapp.training.evaluation.report import make_report
    from webapp.training.evaluation.report_text import in_words as report_in_words

    name, version = name_and_number(name_and_version)
    with in_words():
        recipe = recipe_for(name, recipe_file, layout, image_column, label_column)
        classifier = load_version(name, get_registry().card(name, version).version)
        if out is not None:
            make_folder(out)
        exam = _hold(
            classifier, recipe, data, unknown, mirror=tta, include_training=include_training
        )
        report = make_report(exam)
        if out is not None:
            write_files(out, exam, report)
    for warning in report["warnings"]:
        click.secho(warning + "\n", fg="red", err=as_json)
    click.echo(to_json(report) if as_json else "\n".join(report_in_words(report)))
    if out is not None:
        click.echo(f"\nThe report is in {out}: {', '.join(FILES)}.", err=as_json)


def _hold(
    classifier: Classifier,
    recipe: Recipe,
    data: Sequence[Path],
    unknown: Path | None,
    *,
    mirror: bool,
    include_training: bool,
) -> Exam:
    """Ask the version about every photo. Raises `TrainingError`."""
    from webapp.training.evaluation.evaluation import ask
    from webapp.training.evaluation.photos import choose_others, choose_questions
    from webapp.training.evaluation.report import Exam
    from webapp.training.readers import list_photos
    from webapp.training.recipe import source_of

    card = classifier.card
    split = read_split(get_registry().version_folder(card.name, card.version), card)
    listings = [
        (list_photos(folder, recipe.layout), source_of(recipe, folder).name) for folder in data
    ]
    looking = _watched("Looking for near-duplicates")
    questions = choose_questions(
        listings, card, split, rule=recipe.split, include_training=include_training, watch=looking
    )
    others = (
        choose_others(unknown, split, known=questions.asked, include_training=include_training)
        if unknown
        else None
    )
    answers, refused = ask(classifier, questions.asked, mirror=mirror, watch=_watched("Asking"))
    said, no_photos = (
        ask(classifier, others.asked, mirror=mirror, watch=_watched("Asking about other things"))
        if others
        else ([], [])
    )
    return Exam(
        card,
        get_config().engine,
        recipe.layout.kind,
        questions,
        answers,
        refused,
        split_known=split is not None,
        include_training=include_training,
        other_questions=others,
        others=said,
        others_refused=no_photos,
    )


def _watched(words: str) -> Watch:
    """Gives the photos one by one, with a progress bar on standard error."""

    def watch(questions: Sequence[Question]) -> Iterator[Question]:
        with click.progressbar(questions, label=words, file=sys.stderr, show_pos=True) as bar:
            yield from bar

    return watch
