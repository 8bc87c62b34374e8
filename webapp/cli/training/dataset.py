"""`flask model dataset`: look at photos before training on them."""

import json

import click

from webapp.cli.history import options_as
from webapp.cli.models.group import bp
from webapp.cli.training.options import DataOptions, data_options, with_progress_bar


@bp.cli.command("dataset")
@click.argument("name")
@data_options
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@options_as(DataOptions)
def _dataset_command(options: DataOptions, name: str, as_json: bool) -> None:
    """Look at the photos that NAME would be trained on: counts, duplicates, doubtful labels."""
    from webapp.training.dataset_report import make_report, report_lines

    report = make_report(options.recipe(name), options.data, with_progress_bar("Reading"))
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(report_lines(report)))
