"""What the registry says of names that no folder can have."""

from pathlib import Path

import pytest

from webapp.errors import ModelNotFoundError
from webapp.inference.models.registry import Registry


@pytest.mark.parametrize("name", ["nope", "a\0b", "../elsewhere", "x" * 300])
@pytest.mark.parametrize("version", [None, 1])
def test_a_name_without_a_folder_is_no_model(
    name: str, version: int | None, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "1"
    elsewhere.mkdir(parents=True)
    (elsewhere.parent / "LIVE").write_text("1")
    (elsewhere / "card.json").write_text("{}")
    (tmp_path / "models").mkdir()
    with pytest.raises(ModelNotFoundError, match="no model called"):
        Registry(tmp_path / "models").published_card(name, version)
