"""Which photos a version was not trained on."""

from dataclasses import replace
from pathlib import Path

from tests.conftest import draw
from tests.fakes import make_card
from webapp.inference.models.held_out import (
    LabelledPhoto,
    fingerprint,
    hashed,
    is_unseen,
    once_each,
    read_split,
    write_split,
)


def write_photos(folder: Path, *names: str) -> list[LabelledPhoto]:
    """A picture of its own for each `label/name.jpg`."""
    for mark, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(draw(mark=mark))
    return [hashed(LabelledPhoto(folder / name, Path(name).parts[0])) for name in names]


def test_a_file_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, "haas/a.jpg", "haas/b.jpg")
    copy = replace(photos[0], path=tmp_path / "haas" / "copy.jpg")
    kept, repeated, _ = once_each([*photos, copy])
    assert kept == photos
    assert repeated == [f"{tmp_path.name}/haas/copy.jpg"]


def test_a_file_under_two_labels_is_left_out_and_named(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, "haas/a.jpg", "haas/b.jpg")
    (tmp_path / "bwt").mkdir()
    (tmp_path / "bwt" / "same.jpg").write_bytes((tmp_path / "haas" / "a.jpg").read_bytes())
    same = hashed(LabelledPhoto(tmp_path / "bwt" / "same.jpg", "bwt"))
    kept, _, left_out = once_each([*photos, same])
    assert [photo.path.name for photo in kept] == ["b.jpg"]
    assert sorted(Path(name).name for name in left_out) == ["a.jpg", "same.jpg"]


def test_only_photos_that_no_version_was_trained_on_are_kept(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, "haas/0.jpg", "haas/1.jpg", "haas/2.jpg", "haas/3.jpg")
    digests = [photo.sha256 for photo in photos]
    first = {digests[0]: "test", digests[1]: "train"}
    second = {digests[0]: "test", digests[2]: "validation"}
    kept = [photo.path.name for photo in photos if is_unseen(photo.sha256, [first, second])]
    assert kept == ["0.jpg", "3.jpg"]


def test_a_list_that_does_not_match_the_card_is_ignored(tmp_path: Path) -> None:
    split = {"a" * 64: "train", "b" * 64: "test"}
    card = replace(make_card(), split={"fingerprint": fingerprint(split)})
    write_split(tmp_path, split)
    assert read_split(tmp_path, card) == split
    write_split(tmp_path, {"a" * 64: "test", "b" * 64: "test"})
    assert read_split(tmp_path, card) is None


def test_a_version_without_a_list_gives_none(tmp_path: Path) -> None:
    assert read_split(tmp_path, make_card()) is None
