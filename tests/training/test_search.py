"""Searching for settings, on toy pictures."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import optuna

from tests.training.toys import toy_recipe, write_pictures
from webapp.errors import TrainingError
from webapp.training.job import TrainingJob
from webapp.training.recipe import RECIPES, Augmentation, Recipe, read_recipe, recipe_text
from webapp.training.search import (
    Search,
    SearchResult,
    applied,
    own_settings,
    search,
    shortened,
    strengthened,
)

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, SearchResult]:
    folder = tmp_path_factory.mktemp("search")
    data = write_pictures(folder / "data", 8)
    recipe = toy_recipe()
    recipe = replace(recipe, stages=(replace(recipe.stages[1], epochs=4),))  # half the time of two
    job = TrainingJob(recipe, (data,), folder / "models", folder / "work")
    wanted = Search(job, 2, "toy", f"sqlite:///{folder / 'search.sqlite'}", epochs=2)
    return wanted, search(wanted)


@pytest.fixture
def result(finished: tuple[Search, SearchResult]) -> SearchResult:
    return finished[1]


@pytest.fixture
def wanted(finished: tuple[Search, SearchResult], tmp_path: Path) -> Search:
    """The finished search of two trials, with a copy of its study for each test."""
    wanted = finished[0]
    shutil.copy(wanted.storage.removeprefix("sqlite:///"), tmp_path / "search.sqlite")
    return replace(wanted, storage=f"sqlite:///{tmp_path / 'search.sqlite'}")


def study_of(wanted: Search) -> optuna.Study:
    return optuna.load_study(study_name=wanted.study, storage=wanted.storage)


def read_back(recipe: Recipe, folder: Path) -> Recipe:
    file = folder / "recipe.toml"
    file.write_text(recipe_text(recipe, "a comment"), encoding="utf-8")
    return read_recipe(file)


def test_the_best_trial_becomes_a_recipe_of_full_length(
    result: SearchResult, tmp_path: Path
) -> None:
    assert result.trials == 2
    assert [stage.epochs for stage in result.recipe.stages] == [4]
    assert result.own_loss is not None
    assert result.best.value <= result.own_loss
    assert read_back(result.recipe, tmp_path) == result.recipe


def test_the_first_trial_has_the_settings_of_the_recipe(wanted: Search) -> None:
    assert study_of(wanted).trials[0].params == own_settings(wanted.job.recipe)
    for recipe in (wanted.job.recipe, toy_recipe()):
        assert applied(recipe, own_settings(recipe)) == recipe


def test_a_study_goes_on_where_it_was(wanted: Search) -> None:
    assert search(replace(wanted, trials=3)).trials == 3
    assert search(replace(wanted, trials=2)).trials == 3


def test_the_same_seed_tries_the_same_settings(wanted: Search, tmp_path: Path) -> None:
    again = replace(wanted, storage=f"sqlite:///{tmp_path / 'again.sqlite'}")
    search(again)
    new, old = study_of(again).trials, study_of(wanted).trials
    assert [trial.params for trial in new] == [trial.params for trial in old]
    losses = [trial.value for trial in old]
    assert [trial.value for trial in new] == pytest.approx(losses, rel=1e-3)


def test_every_epoch_is_judged(wanted: Search) -> None:
    # the last layer, and two epochs
    assert set(study_of(wanted).trials[0].intermediate_values) == {0, 1, 2}


def test_a_bad_trial_is_stopped_early(wanted: Search) -> None:
    study = study_of(wanted)
    well = study.trials[0]
    well.value, well.intermediate_values = 1e-9, {0: 1e-9, 1: 1e-9, 2: 1e-9}
    study.add_trials([well] * 4)
    assert search(replace(wanted, trials=7)).counts[optuna.trial.TrialState.PRUNED] == 1
    assert set(study_of(wanted).trials[-1].intermediate_values) == {0, 1}


def test_a_study_takes_no_trials_of_another_recipe(wanted: Search) -> None:
    other = replace(wanted, job=replace(wanted.job, recipe=replace(wanted.job.recipe, batch=4)))
    message = "The study toy holds trials of other photos, another recipe"
    with pytest.raises(TrainingError, match=message):
        search(other)


def test_it_refuses_a_database_that_is_none(wanted: Search, tmp_path: Path) -> None:
    (tmp_path / "no.sqlite").write_bytes(b"this is no database, but long enough to look into" * 20)
    with pytest.raises(TrainingError, match="database of the study cannot be used"):
        search(replace(wanted, storage=f"sqlite:///{tmp_path / 'no.sqlite'}"))


def test_strength_0_leaves_photos_almost_as_they_are_and_2_stays_in_range() -> None:
    how = Augmentation(mixup=0.4, grain=5)
    none, much = strengthened(how, 0.0), strengthened(how, 2.0)
    assert strengthened(how, 1.0) == how
    assert (none.zoom, none.aspect, none.brightness, none.mixup) == (1.0, 1.0, 0.0, 0.0)
    assert none.flip == how.flip
    assert (much.zoom, much.mixup, much.grain, much.erase) == (0.1, 0.5, 10, 0.5)


def test_a_short_trial_keeps_an_epoch_of_each_stage() -> None:
    recipe = read_recipe(RECIPES / "stanford-cars.toml")
    assert [stage.epochs for stage in recipe.stages] == [6, 5]
    assert [stage.epochs for stage in shortened(recipe, 6).stages] == [3, 3]
    assert [stage.epochs for stage in shortened(recipe, 1).stages] == [1, 1]
    assert shortened(recipe, 999) == recipe


CLASSIFIERS = [path for path in sorted(RECIPES.glob("*.toml")) if path.stem != "car-detector"]


@pytest.mark.parametrize("path", CLASSIFIERS, ids=lambda path: path.stem)
def test_a_recipe_that_was_written_reads_back_as_itself(path: Path, tmp_path: Path) -> None:
    assert read_back(read_recipe(path), tmp_path) == read_recipe(path)


def test_odd_characters_survive_in_a_recipe(tmp_path: Path) -> None:
    recipe = Recipe(name="odd", title='Ёлка "quoted" \\ \x7f \t line\nbreak', limits=("one", "two"))
    assert read_back(recipe, tmp_path) == recipe
