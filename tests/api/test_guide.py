"""The lines of docs/api.md, run against a live server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import serve
from tests.conftest import ROOT, draw
from tests.fakes import FakeClassifier, make_card
from tests.keys import admin_key

GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
JOBS = dict(
    re.findall(
        r"\*\*([^*]+)\.\*\*[^\n]*(?:\n[^`\n][^\n]*)*\n\n```python\n(.*?)```", GUIDE, re.DOTALL
    )
)
START = re.search(r"```python\n(import requests.*?)```", GUIDE, re.DOTALL)


class Reader:
    """Somebody who types the guide's lines, with the address and a key of the own server."""

    def __init__(self, site: str, key: str) -> None:
        self.names: dict[str, object] = {}
        assert START is not None
        start = START[1].replace("http://127.0.0.1:8000", site).replace("KEY", key)
        exec(start, self.names)  # noqa: S102

    def does(self, job: str) -> None:
        exec(JOBS[job], self.names)  # noqa: S102


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """In a folder with photos, beside a server whose version 1 is live and version 2 is not."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photo.jpg").write_bytes(draw("#FF8700"))
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(draw("#C00000", mark=number))
    (tmp_path / "photos" / "notes.txt").write_text("not a photo")
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    with serve(data, [FakeClassifier(), FakeClassifier(make_card(2))]) as site:
        (data / "models" / "f1-teams" / "LIVE").write_text("1\n")
        reader = Reader(site, admin_key(data))
        yield reader
        reader.names["marque"].close()  # type: ignore[attr-defined]


def test_each_job_is_at_most_five_lines() -> None:
    assert len(JOBS) == 8
    assert all(len(lines.strip().splitlines()) <= 5 for lines in JOBS.values())


def test_a_photo_is_sent(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    reader.does("Send a photo")
    assert "mclaren" in capsys.readouterr().out


def test_a_folder_is_sent_and_what_is_refused_says_why(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.does("Send a folder")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["0.jpg ferrari", "1.jpg ferrari", "2.jpg ferrari"]
    assert lines[3].startswith("notes.txt This is a text file")


def test_a_question_is_answered_and_nothing_stored(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.does("Ask without storing")
    assert capsys.readouterr().out.startswith("1 mclaren ")
    reader.does("Go through the history")
    assert capsys.readouterr().out == "[]\n"


def test_the_history_is_gone_through_page_by_page(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.does("Send a folder")
    capsys.readouterr()
    exec(JOBS["Go through the history"].replace("100", "2"), reader.names)  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert [len(eval(line)) for line in lines] == [2, 1]  # noqa: S307


def test_a_ground_truth_is_given(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    reader.does("Send a photo")
    reader.does("Correct a label")
    assert capsys.readouterr().out.endswith("mclaren correct\n")


def test_many_are_labelled_and_it_is_taken_back(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.does("Send a folder")
    capsys.readouterr()
    reader.does("Label many at once, and undo it")
    assert capsys.readouterr().out == "3 labelled, 0 had it already\n3 taken back\n"


def test_the_history_is_exported_whole(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    reader.does("Send a folder")
    capsys.readouterr()
    reader.does("Export")
    assert capsys.readouterr().out.startswith("3 ")
    assert len(Path("history.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_versions_are_compared_and_one_is_promoted(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.does("Compare two versions, let the better one serve")
    assert capsys.readouterr().out == "few 0 None\n2\n"
