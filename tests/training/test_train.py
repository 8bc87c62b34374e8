"""A whole training on toy pictures: stop, go on, publish."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.children import children_in_this_process
from tests.training.toys import COLORS, toy_recipe, write_pictures
from webapp.errors import TrainingError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import read_split
from webapp.inference.models.registry import Registry
from webapp.training.checkpoint import CHECKPOINT_FILE, Checkpoint
from webapp.training.earlier import earlier_parts
from webapp.training.job import TrainingJob, TrainingProgress
from webapp.training.train import prepare, train

pytestmark = pytest.mark.tensorflow


class PowerCutError(Exception):
    """Somebody pulled the plug."""


def pull_the_plug(progress: TrainingProgress) -> None:
    if progress.stage == 1 and progress.epoch == 1:
        raise PowerCutError


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    folder = tmp_path_factory.mktemp("toy")
    write_pictures(folder / "data", 15)
    (folder / "data" / "manifest.json").write_text(
        '{"marque_export": 1, "complete": true, "label_event": 88}'
    )
    unknown = write_pictures(folder / "other", 4, first_seed=900)
    return TrainingJob(
        toy_recipe(), (folder / "data",), folder / "models", folder / "work", unknown=unknown
    )


@pytest.fixture(scope="module")
def card(job: TrainingJob) -> ModelCard:
    """A run that was cut off inside its fourth epoch, and went on."""
    with pytest.raises(PowerCutError):
        train(replace(job, on_step=pull_the_plug))
    stored = Checkpoint.read(job.work)
    assert stored is not None
    assert not stored.progress.finished
    assert [line["stage"] for line in stored.progress.history] == [
        "head",
        "small",
        "small",
        "large",
    ]
    with children_in_this_process():
        return train(replace(job, resume=True))


def test_an_interrupted_run_ends_with_all_its_epochs(card: ModelCard) -> None:
    assert [line["stage"] for line in card.training["history"]] == [
        "head",
        "small",
        "small",
        "large",
        "large",
    ]


def test_the_first_version_is_published_and_live(job: TrainingJob, card: ModelCard) -> None:
    assert card.version == 1
    assert Registry(job.models).live_version("toy") == 1
    assert not (job.work / CHECKPOINT_FILE).exists()


def test_the_card_tells_what_was_measured_on_what(card: ModelCard) -> None:
    test = card.metrics["test"]
    assert test["n"] == card.split["test"]["n"] == 9
    assert sum(row["n"] for row in test["per_label"].values()) == 9
    assert set(test["sources"]) == {"data"}
    assert card.metrics["unknown"]["n"] == 6
    assert len(card.split["fingerprint"]) == 64


def test_the_card_tells_which_labels_the_training_saw(card: ModelCard) -> None:
    assert card.label_event == 88


def test_the_version_carries_the_list_of_its_files(job: TrainingJob, card: ModelCard) -> None:
    split = read_split(job.models / "toy" / "1", card)
    assert split is not None
    assert Counter(split.values()) == {
        part: card.split[part]["n"] for part in ("train", "validation", "test")
    }
    assert "split.json" in card.files


def test_a_run_that_starts_from_a_version_knows_what_that_was_trained_on(
    job: TrainingJob, card: ModelCard
) -> None:
    known = earlier_parts(job.models / "toy" / "1" / "model.keras")
    split = read_split(job.models / "toy" / "1", card)
    assert split is not None and known == {
        digest: "train" for digest, part in split.items() if part != "test"
    }  # it was refitted on the validation photos
    assert earlier_parts(job.weights) == {}


def test_the_labels_are_the_folders(card: ModelCard) -> None:
    assert card.label_names == tuple(sorted(COLORS))


def test_it_refuses_to_resume_nothing(job: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run to resume"):
        train(replace(job, work=tmp_path, resume=True))


def test_it_refuses_weights_that_do_not_fit(job: TrainingJob, tmp_path: Path) -> None:
    (tmp_path / "other.weights.h5").write_bytes(b"not weights")
    with pytest.raises(TrainingError, match="does not fit the backbone"):
        train(replace(job, work=tmp_path, weights=tmp_path / "other.weights.h5"))


def test_an_exposure_without_other_things_is_said_to_be_off(
    job: TrainingJob, capsys: pytest.CaptureFixture[str]
) -> None:
    exposed = replace(job, recipe=replace(job.recipe, exposure=0.25), unknown=None)
    assert prepare(exposed).recipe.exposure == 0
    assert "exposure is off" in capsys.readouterr().err


def test_an_exposure_with_other_things_is_part_of_the_recipe(job: TrainingJob) -> None:
    recipe = replace(job.recipe, exposure=0.25)
    assert prepare(replace(job, recipe=recipe)).recipe.settings()["exposure"] == 0.25
