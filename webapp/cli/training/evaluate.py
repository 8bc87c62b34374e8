"""`flask model evaluate`: measure a published version on labelled photos, as it serves."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webapp.cli.history import options_as
from webapp.cli.models.group import bp
from webapp.cli.models.versions import name_and_number
from webapp.cli.training.options import (
    DataOptions,
    data_options,
    unknown_option,
    with_progress_bar,
)
from webapp.extensions import get_config, get_registry, load_version
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import indented_json
from webapp.inference.models.held_out import read_split

if TYPE_CHECKING:
    from webapp.training.evaluation.evaluation import Evaluation
    from webapp.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class _EvaluateOptions(DataOptions):
    unknown: Path | None
    out: Path | None
    mirror: bool
    as_json: bool
    include_training: bool


@bp.cli.command("evaluate")
@click.argument("name_and_version", metavar="NAME[@VERSION]")
@data_options
@unknown_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the report into a folder: page, tables, charts, JSON.",
)
@click.option(
    "--tta",
    "mirror",
    is_flag=True,
    help="Look at each photo mirrored as well, and say what the mean of both answers changes.",
)
@click.option("--json", "as_json", is_flag=True, help="Every figure as one JSON object.")
@click.option(
    "--include-training",
    is_flag=True,
    help="Also take photos that it was trained on: the figures then flatter it.",
)
@options_as(_EvaluateOptions)
def _evaluate_command(options: _EvaluateOptions, name_and_version: str) -> None:
    """Measure the version of NAME that serves (or VERSION) on labelled photos, as it serves.

    Photos that it was trained on, and those that chose its limits, are left out and counted.
    """
    from webapp.training.evaluation.files import make_folder, write_files
    from webapp.training.evaluation.report import make_report
    from webapp.training.evaluation.report_text import terminal_lines

    name, version = name_and_number(name_and_version)
    recipe = options.recipe(name)
    classifier = load_version(name, get_registry().card(name, version).version)
    if options.out is not None:
        make_folder(options.out)
    evaluation = _evaluate(classifier, recipe, options)
    report = make_report(evaluation)
    files = write_files(options.out, evaluation, report) if options.out else []
    for warning in report["warnings"]:
        click.secho(warning + "\n", fg="red", err=options.as_json)
    click.echo(indented_json(report) if options.as_json else "\n".join(terminal_lines(report)))
    if options.out is not None:
        text = f"\nThe report is in {options.out}: {', '.join(files)}."
        click.echo(text, err=options.as_json)


def _evaluate(classifier: Classifier, recipe: "Recipe", options: _EvaluateOptions) -> "Evaluation":
    """Ask the version about every photo. Raises `TrainingError`."""
    from webapp.training.car_boxes import as_served
    from webapp.training.evaluation.evaluation import Evaluation, predict_photos
    from webapp.training.evaluation.photos import choose_others, choose_photos
    from webapp.training.readers import list_data

    card, include = classifier.card, options.include_training
    split = read_split(get_registry().version_folder(card.name, card.version), card)
    listing = list_data(options.data, recipe)
    if recipe.cars == "detect" and get_config().detector:
        listing = as_served(listing, get_config().models)
    watch = with_progress_bar("Looking for near-duplicates")
    selection = choose_photos(
        listing, card, split, rule=recipe.split, include_training=include, watch=watch
    )
    other_things = others = None
    if options.unknown:
        known = selection.photos
        other_things = choose_others(options.unknown, split, known=known, include_training=include)
    watch = with_progress_bar("Asking")
    known_photos = predict_photos(classifier, selection, mirror=options.mirror, watch=watch)
    if other_things:
        watch = with_progress_bar("Asking about other things")
        others = predict_photos(classifier, other_things, mirror=options.mirror, watch=watch)
    return Evaluation(
        card=card,
        engine=get_config().engine,
        layout=recipe.layout.kind,
        split_known=split is not None,
        include_training=include,
        known=known_photos,
        others=others,
    )
