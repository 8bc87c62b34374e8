"""Reading folders, finding near-duplicates, splitting."""

import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from tests.training.toys import COLORS, picture, write_pictures
from webapp.errors import TrainingError
from webapp.inference.models.held_out import once_each
from webapp.training.dataset import (
    TrainingExample,
    fingerprint,
    group,
    read_examples,
    split,
    split_of,
)
from webapp.training.readers import list_photos
from webapp.training.recipe import Layout, SplitRule

RULE = SplitRule(validation=0.2, test=0.2, seed=3)


def read(folder: Path, source: str = "toys") -> list[TrainingExample]:
    return read_examples(list_photos(folder, Layout(), source).photos, 200)[0]


def test_it_reads_a_folder_per_label(tmp_path: Path) -> None:
    examples = read(write_pictures(tmp_path, 3))
    assert Counter(example.label for example in examples) == dict.fromkeys(COLORS, 3)
    assert all(example.pixels.shape == (40, 60, 3) for example in examples)


def test_it_names_an_unreadable_file_and_goes_on(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    (tmp_path / "red" / "broken.jpg").write_bytes(b"not a photo at all")
    examples, refused = read_examples(list_photos(tmp_path, Layout()).photos, 200)
    assert len(examples) == 6
    assert [(Path(name).name, bool(why)) for name, why in refused] == [("broken.jpg", True)]


def test_it_makes_large_photos_smaller(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    picture(1, COLORS["red"], (900, 300)).save(tmp_path / "red" / "wide.png")
    assert read(tmp_path)[0].pixels.shape == (67, 200, 3)


def test_it_drops_a_file_that_lies_under_two_labels(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    shutil.copy(tmp_path / "red" / "000.png", tmp_path / "blue" / "same.png")
    kept, repeated, contradictory = once_each(read(tmp_path))
    assert len(kept) == 5
    assert repeated == []
    assert sorted(Path(example).name for example in contradictory) == ["000.png", "same.png"]


def test_it_keeps_one_of_two_equal_files(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    shutil.copy(tmp_path / "red" / "000.png", tmp_path / "red" / "again.png")
    kept, repeated, _ = once_each(read(tmp_path))
    assert len(kept) == 6
    assert len(repeated) == 1


def test_near_duplicates_share_a_group(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    original = Image.open(tmp_path / "red" / "000.png")
    ImageEnhance.Brightness(original).enhance(0.9).resize((48, 32)).save(
        tmp_path / "red" / "copy.jpg", quality=60
    )
    groups = {
        example.path.name: example.group
        for example in group(read(tmp_path), RULE)
        if example.label == "red"
    }
    assert groups["copy.jpg"] == groups["000.png"] != groups["001.png"]


def test_frames_of_one_burst_share_a_group(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    for seed, second in enumerate(("01", "03", "30")):
        picture(seed, COLORS["red"]).save(tmp_path / "red" / f"game-202004271910{second}_1.png")
    first, second, third = (example.group for example in group(read(tmp_path), RULE))
    assert first == second != third


def test_no_group_crosses_a_border(tmp_path: Path) -> None:
    write_pictures(tmp_path, 20)
    for path in sorted(tmp_path.glob("*/00*.png")):
        ImageEnhance.Contrast(Image.open(path)).enhance(0.95).save(
            path.with_name(f"near-{path.stem}.png")
        )
    parts = split(group(read(tmp_path), RULE), RULE)
    homes: dict[int, set[str]] = defaultdict(set)
    for part, members in parts.items():
        for example in members:
            homes[example.group].add(part)
    assert all(len(home) == 1 for home in homes.values())
    assert len(homes) < sum(map(len, parts.values()))


def test_every_label_and_source_is_divided_by_the_same_shares(tmp_path: Path) -> None:
    examples = read(write_pictures(tmp_path / "a", 20), "a") + read(
        write_pictures(tmp_path / "b", 10, first_seed=50), "b"
    )
    parts = split(group(examples, RULE), RULE)
    counts = {
        part: Counter((example.source, example.label) for example in members)
        for part, members in parts.items()
    }
    assert all(
        counts["test"]["a", label] == 4 and counts["test"]["b", label] == 2 for label in COLORS
    )
    assert all(
        counts["validation"]["a", label] == 4 and counts["train"]["a", label] == 12
        for label in COLORS
    )


def test_the_same_photos_are_split_alike_in_any_order(tmp_path: Path) -> None:
    examples = read(write_pictures(tmp_path, 12))
    first = fingerprint(split(group(examples, RULE), RULE))
    assert first == fingerprint(split(group(examples[::-1], RULE), RULE))
    assert first != fingerprint(
        split(group(examples, RULE), SplitRule(validation=0.2, test=0.2, seed=4))
    )


def test_photos_that_the_starting_network_knows_are_never_held_out(tmp_path: Path) -> None:
    examples = group(read(write_pictures(tmp_path, 12)), RULE)
    known = {example.sha256: "train" for example in split(examples, RULE)["test"]}
    parts = split(examples, RULE, known)
    assert known.keys() <= {example.sha256 for example in parts["train"]}
    assert len(parts["test"]) == len(known)  # others took their place


def test_photos_that_the_starting_network_has_not_learnt_from_stay_held_out(
    tmp_path: Path,
) -> None:
    examples = group(read(write_pictures(tmp_path / "old", 12), "old"), RULE)
    earlier = split_of(split(examples, RULE))
    examples += read(write_pictures(tmp_path / "new", 12, first_seed=50), "new")
    parts = split_of(split(group(examples, RULE), RULE, earlier))
    assert {sha256: parts[sha256] for sha256 in earlier} == earlier
    assert Counter(parts.values()) == {part: 2 * n for part, n in Counter(earlier.values()).items()}


def test_a_network_that_knows_most_photos_leaves_some_for_both_held_out_parts(
    tmp_path: Path,
) -> None:
    examples = group(read(write_pictures(tmp_path, 12)), RULE)
    new = {example.sha256 for example in split(examples, RULE)["test"]}
    known = {example.sha256: "train" for example in examples if example.sha256 not in new}
    parts = split(examples, RULE, known)
    assert len(parts["test"]) == len(parts["validation"]) == 3


def test_it_says_how_many_photos_it_takes_to_measure(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    with pytest.raises(TrainingError, match="none is left for test"):
        split(group(read(tmp_path), RULE), SplitRule(validation=0.15, test=0.15))


def test_it_refuses_a_label_that_has_nothing_to_train_on(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    rule = SplitRule(validation=0.1, test=0.6)
    with pytest.raises(TrainingError, match="Too few photos of blue, green, red"):
        split(group(read(tmp_path), rule), rule)
