"""The golden photos of new versions."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from webapp.inference.models.golden import write_golden


def test_golden_photos_are_the_same_every_time(tmp_path: Path) -> None:
    first, second = write_golden(tmp_path / "first"), write_golden(tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_golden_photos_differ_from_each_other(tmp_path: Path) -> None:
    pictures = [Image.open(path) for path in write_golden(tmp_path)]
    assert len({picture.tobytes() for picture in pictures}) == 4
    assert {picture.size for picture in pictures} == {(288, 192)}
