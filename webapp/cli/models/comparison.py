"""`flask model compare`: two versions of a classifier or a detector on the same photos."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click

from webapp.cli.history import needs_history, options_as
from webapp.cli.models.card_text import comparison_table
from webapp.cli.models.group import bp
from webapp.cli.training.options import (
    FOLDER,
    DataOptions,
    layout_options,
    photos_in,
    true_photos,
    with_progress_bar,
)
from webapp.errors import ModelRefusedError
from webapp.extensions import (
    get_files,
    get_limiter,
    get_registry,
    load_any_version,
)
from webapp.inference.classifier import Classifier
from webapp.inference.detector import Detector
from webapp.inference.models.detector_gate import DetectorComparison
from webapp.inference.models.gate import ComparedPhoto, Comparison
from webapp.inference.models.held_out import read_split
from webapp.services.labels.label_mapping import current_card
from webapp.services.models import compare, compare_detectors
from webapp.services.models.compare_detectors import Detectors
from webapp.services.photos.classify import Pipeline

_LISTED = 20  # fixed or broken photos that are listed
Version = Classifier | Detector


@dataclass(frozen=True, kw_only=True)
class ComparedOn(DataOptions):
    """Which photos two versions are compared on: in folders, or `here` in the history."""

    here: bool
    any_photo: bool
    unknown: Path | None

    @property
    def named(self) -> bool:
        """Whether any photos were named."""
        return bool(self.data or self.here or self.unknown)


def photo_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name photos to compare on, given to the command as `ComparedOn`."""
    data = click.option(
        "--data",
        multiple=True,
        type=FOLDER,
        help="A folder of photos, with one folder per label, in another layout, or for detectors "
        "with a list of boxes. May be repeated.",
    )
    history = click.option(
        "--history",
        "here",
        is_flag=True,
        help="Compare on the photos of the history that have a ground truth, for detectors on "
        "those in which people checked every car.",
    )
    any_photo = click.option(
        "--any-photo",
        is_flag=True,
        help="Compare on all these photos, even if a version was trained on them or nobody knows.",
    )
    unknown = click.option(
        "--unknown",
        type=FOLDER,
        help="A folder of photos without a car, for detectors: what they find there is a false "
        "alarm.",
    )
    options = options_as(ComparedOn)(command)
    return data(layout_options(history(any_photo(unknown(options)))))


@bp.cli.command("compare")
@click.argument("name")
@click.argument("champion", type=int)
@click.argument("challenger", type=int)
@photo_options
@click.option("--json", "as_json", is_flag=True, help="The whole comparison as JSON.")
@needs_history
def _compare_command(
    photos: ComparedOn, name: str, champion: int, challenger: int, as_json: bool
) -> None:
    """Compare versions CHAMPION and CHALLENGER of NAME on photos that neither was trained on."""
    if not photos.named:
        raise click.UsageError("Name photos to compare on: --data FOLDER, or --history.")
    versions = load_any_version(name, champion), load_any_version(name, challenger)
    comparison = compare_versions(*versions, photos)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(describe(comparison)))


def describe(comparison: Comparison | DetectorComparison) -> list[str]:
    """A comparison line by line: verdict, reasons, and each label that changed with the photos, or
    the figures of both detectors."""
    champion, challenger = comparison.champion, comparison.challenger
    verdict = {"better": "better than", "same": "no better than", "worse": "worse than"}
    lines = [
        f"Version {challenger} is {verdict[comparison.verdict]} version {champion}.",
        *comparison.reasons,
        "",
    ]
    if isinstance(comparison, DetectorComparison):
        return lines + comparison_table(comparison)
    changed = [label for label in comparison.labels if label.champion != label.challenger]
    if changed:
        columns = f"{f'version {champion}':>12}{f'version {challenger}':>12}"
        lines.append(f"{'label':<22}{'photos':>7}{columns}")
    lines += [
        f"{label.label:<22}{label.n:>7}{label.champion:>12}{label.challenger:>12}"
        for label in changed
    ]
    lines += _list("fixed", comparison.fixed) + _list("broken", comparison.broken)
    return lines if lines[-1] else lines[:-1]


def _list(word: str, photos: Sequence[ComparedPhoto]) -> list[str]:
    lines = [
        f"{word:<7} {photo.photo}: {photo.champion} → {photo.challenger}"
        for photo in photos[:_LISTED]
    ]
    more = len(photos) - _LISTED
    return lines + ([f"{word:<7} … and {more} more"] if more > 0 else [])


def compare_versions(
    champion: Version, challenger: Version, photos: ComparedOn
) -> Comparison | DetectorComparison:
    """The comparison; what was left out is said on standard error."""
    if photos.here and (photos.data or photos.unknown):
        raise click.UsageError("Compare on photos in folders or on the --history, not on both.")
    if isinstance(champion, Detector):
        return _compare_detectors((champion, cast(Detector, challenger)), photos)
    if photos.unknown:
        raise click.UsageError("--unknown is for detectors. Compare models on --data or --history.")
    return _compare_classifiers((champion, cast(Classifier, challenger)), photos)


def _compare_classifiers(versions: tuple[Classifier, Classifier], photos: ComparedOn) -> Comparison:
    if photos.here:
        return _compare_on_history(versions, photos)
    registry = get_registry()
    first, second = (version.card for version in versions)
    result = compare.compare_on_photos(
        versions,
        photos_in(first.name, photos),
        [
            read_split(registry.version_folder(card.name, card.version), card)
            for card in (first, second)
        ],
        (current_card(first), current_card(second)),
        any_photo=photos.any_photo,
        watch=with_progress_bar("Comparing"),
    )
    _say_left_out(result.left_out, result.trained_on)
    if result.other_labels:
        click.echo(
            f"left out {result.other_labels} photos whose label one of the versions does not know",
            err=True,
        )
    if photos.any_photo:
        _warn()
    return result.comparison


def _compare_on_history(versions: tuple[Classifier, Classifier], photos: ComparedOn) -> Comparison:
    """The same on the photos of the history, where the answers are stored."""
    registry = get_registry()
    champion, challenger = (version.card for version in versions)
    ids = (champion.name, champion.version, challenger.version)
    result = compare.compare_on_history(registry, *ids)
    if result.unknown and not photos.any_photo:
        raise ModelRefusedError(compare.unknown_training(result.unknown))
    pipeline = Pipeline(versions, get_files(), get_limiter())
    compare.answer_history(registry, pipeline, with_progress_bar("Comparing"))
    result = compare.compare_on_history(registry, *ids)
    _say_left_out((), result.trained_on)
    if result.unknown:
        _warn()
    return result.require_comparison()


def _compare_detectors(detectors: Detectors, photos: ComparedOn) -> DetectorComparison:
    registry, watch = get_registry(), with_progress_bar("Comparing")
    any_photo = photos.any_photo
    if photos.here:
        result = compare_detectors.compare_on_history(
            detectors, registry, get_files(), any_photo=any_photo, watch=watch
        )
    else:
        true = true_photos(detectors[0].card.name, photos.data, photos.unknown)
        result = compare_detectors.compare_on_photos(
            detectors, true, registry, any_photo=any_photo, watch=watch
        )
    _say_left_out(result.left_out, result.trained_on)
    if any_photo:
        _warn()
    return result.comparison


def _say_left_out(sentences: Sequence[str], trained_on: int) -> None:
    for sentence in sentences:
        click.echo(f"left out {sentence}", err=True)
    if trained_on:
        click.echo(
            f"left out {trained_on} photos that one of the versions was trained or calibrated on",
            err=True,
        )


def _warn() -> None:
    text = "A version may have been trained on these photos: mistrust the result."
    click.secho(text, fg="red", err=True)
