"""The running server is held to its own document by requests that nobody would think of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.conftest import serve
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, make_cars_card
from tests.keys import admin_key

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
REQUESTS = 5
"""For each call and way of making requests. `docs/development.md` says how to spend more."""


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is not installed")
def test_no_request_gets_an_answer_that_the_document_does_not_know(tmp_path: Path) -> None:
    with serve(tmp_path / "data", [FakeClassifier(), FakeClassifier(make_cars_card())]) as site:
        options = [
            "--checks",
            "all",
            "--max-examples",
            str(REQUESTS),
            "--seed",
            "1",
            "--generation-database",
            "none",
            "--no-color",
        ]
        command = [
            SCHEMATHESIS,
            "--config-file",
            ROOT / "schemathesis.toml",
            "run",
            f"{site}/api/v1/openapi.json",
            *options,
        ]
        key = admin_key(tmp_path / "data")
        done = subprocess.run(
            [*command, "-H", f"Authorization: Bearer {key}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-6000:]
