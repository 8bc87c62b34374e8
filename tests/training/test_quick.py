"""The quick training on the folder of a job: from labelled cars to the draft of a version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.fakes import familiarity_rule, make_card
from tests.training.toys import toy_recipe
from webapp.errors import TrainingError
from webapp.inference.familiarity import Space
from webapp.inference.models.card import FAMILIARITY_FILE, KERAS_FILE, InputSpec, Label, ModelCard
from webapp.inference.models.held_out import fingerprint, read_split, write_split
from webapp.inference.models.labelled_cars import PROGRESS_FILE, HeadOrder, LabelledCars
from webapp.training.network import build_network
from webapp.training.quick import train_last_layer

pytestmark = pytest.mark.tensorflow
LABELS, FEATURES = (Label("blue", "Blue"), Label("green", "Green")), 32
RNG = np.random.default_rng(1)
CENTRES = RNG.normal(size=(3, FEATURES)).astype(np.float32)
TRAINED, HELD_OUT = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of two labels, which was trained on one file; another one was kept apart."""
    folder = tmp_path_factory.mktemp("base")
    network = build_network(toy_recipe(), len(LABELS), (32, 64))
    network.get_layer("probabilities").set_weights([CENTRES[:2].T, np.zeros(2)])
    network.save(folder / KERAS_FILE)
    basis = np.linalg.svd(CENTRES[:2], full_matrices=False)[2]
    Space(CENTRES[:2].T, np.zeros(2), np.zeros(FEATURES), basis).write(folder / FAMILIARITY_FILE)
    split = {TRAINED: "train", HELD_OUT: "test"}
    card = make_card(
        name="toy",
        labels=LABELS,
        input=InputSpec(32, 64),
        familiarity=familiarity_rule(),
        split={"fingerprint": fingerprint(split)},
    )
    (folder / "card.json").write_text(card.to_json(), encoding="utf-8")
    write_split(folder, split)
    return folder


def write_job(folder: Path, base: Path, labels: list[str], files: list[str]) -> None:
    names = ["blue", "green", "red"]
    centres = CENTRES[[names.index(label) for label in labels]]
    embeddings = (centres + RNG.normal(0, 0.2, centres.shape)).astype(np.float32)
    hashes = RNG.integers(-(2**62), 2**62, len(labels))
    LabelledCars(embeddings, np.array(labels), np.array(files), hashes).write(folder)
    HeadOrder(str(base), (Label("red", "Red"),), 7).write(folder)


@pytest.fixture(scope="module")
def draft(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What came of twenty cars of a new label, and of two that the version knows from before."""
    folder = tmp_path_factory.mktemp("job")
    files = [f"{number:064d}" for number in range(20)]
    write_job(folder, base, ["red"] * 20 + ["blue", "green"], [*files, TRAINED, HELD_OUT])
    train_last_layer(folder)
    return folder


def test_the_new_label_comes_after_the_others(draft: Path) -> None:
    card = ModelCard.read(draft)
    assert card.label_names == ("blue", "green", "red")
    assert (card.label_event, card.training["weights"]) == (7, "toy 1")


def test_the_network_has_an_output_for_it_and_its_backbone_as_it_was(
    draft: Path, base: Path
) -> None:
    new, old = (keras.saving.load_model(folder / KERAS_FILE) for folder in (draft, base))
    assert new.output["probabilities"].shape == (None, 3)
    assert set(new.output) == {"probabilities", "embedding", "feature_map"}
    pairs = zip(new.get_weights()[:-2], old.get_weights()[:-2], strict=True)
    assert all(np.array_equal(first, second) for first, second in pairs)


def test_files_keep_their_part_and_a_fifth_of_the_new_ones_is_kept_apart(draft: Path) -> None:
    card = ModelCard.read(draft)
    split = read_split(draft, card)
    assert split is not None
    assert (split[TRAINED], split[HELD_OUT]) == ("train", "test")
    assert sorted(split.values()).count("test") == 1 + 4
    assert card.metrics["test"]["n"] == 1 + 4


def test_the_progress_has_the_loss_of_each_step(draft: Path) -> None:
    progress = json.loads((draft / PROGRESS_FILE).read_text())
    assert progress["done"] == progress["total"]
    assert progress["losses"][-1] < progress["losses"][0]
    assert ModelCard.read(draft).training["history"][0]["loss"] == progress["losses"][-1]


def test_too_few_cars_are_refused(base: Path, tmp_path: Path) -> None:
    write_job(tmp_path, base, ["red"], ["c" * 64])
    with pytest.raises(TrainingError, match="Too few photos"):
        train_last_layer(tmp_path)


def test_a_version_without_a_familiarity_is_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    card = replace(ModelCard.read(base), familiarity={})
    (tmp_path / "base" / "card.json").write_text(card.to_json(), encoding="utf-8")
    (tmp_path / "base" / KERAS_FILE).write_bytes((base / KERAS_FILE).read_bytes())
    write_job(tmp_path, tmp_path / "base", ["red"] * 20, [f"{number:064d}" for number in range(20)])
    with pytest.raises(TrainingError, match="does not measure what it knows"):
        train_last_layer(tmp_path)
