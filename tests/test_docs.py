"""Every setting, route and command is in the docs, and what is in the docs exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import ROOT
from webapp.config import KNOWN, RESERVED, Config

README = (ROOT / "README.md").read_text(encoding="utf-8")
API = "\n".join(
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("api.md", "legacy.md")
)
EVERYTHING = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
)
JSON_PATHS = ("/api/", "/health", "/ping", "/infer", "/predict")


@pytest.mark.parametrize("name", KNOWN)
def test_every_setting_has_a_row_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("name", RESERVED)
def test_every_promised_setting_is_named_as_such(name: str) -> None:
    assert f"`{name}`" in README


def test_every_setting_in_the_docs_exists() -> None:
    assert set(re.findall(r"MARQUE_[A-Z_]+", EVERYTHING)) <= {*KNOWN, *RESERVED}


def test_the_table_names_the_real_defaults() -> None:
    for name in ("port", "host", "engine", "threads"):
        value = Config.model_fields[name].default
        assert f"| `MARQUE_{name.upper()}` | `{value}` |" in README


def documented() -> set[tuple[str, str]]:
    return {
        (method, path)
        for method, path in re.findall(r"\| `(GET|POST|PUT|PATCH|DELETE) (/[^`]*)` \|", API)
    }


def routes(app: Flask) -> set[tuple[str, str]]:
    return {
        (
            method,
            re.sub(
                r"<(?:int:)?(\w+)>",
                lambda name: f"<{'id' if name[1] == 'public_id' else name[1]}>",
                rule.rule,
            ),
        )
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(JSON_PATHS)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_documented_and_real_json_routes_are_the_same(app: Flask) -> None:
    assert documented() == routes(app)


def test_every_command_stands_in_the_docs(app: Flask) -> None:
    for group, command in app.cli.commands.items():
        if group in ("run", "shell", "routes", "db"):
            continue
        for name in getattr(command, "commands", {"": None}):
            assert f"flask {group} {name}".strip() in EVERYTHING, f"flask {group} {name}"


def anchors_in(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {"#" + heading.replace(" ", "-") for heading in plain}


def test_links_between_the_docs_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]:
        links = re.findall(
            r"\]\((?!https?://)([^)#]*)(#?[^)]*)\)", page.read_text(encoding="utf-8")
        )
        for name, anchor in links:
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name} links to {name}"
            assert not anchor or anchor in anchors_in(target), (
                f"{page.name} links to {name}{anchor}"
            )


WHERE = (ROOT / "docs" / "development.md").read_text(encoding="utf-8").partition("## Recipes")[0]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(webapp/[^`<]*)`", WHERE))))
def test_every_place_of_where_is_it_exists(path: str) -> None:
    assert (ROOT / path).exists()
