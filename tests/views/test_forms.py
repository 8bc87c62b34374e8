"""A form is filled in by form fields, and by nothing else."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient


@pytest.mark.parametrize("body", [[1], {"name": 5, "label": [], "url": 5, "folder": 5}])
def test_a_body_of_json_is_an_empty_form(app: Flask, admin: FlaskClient, body: object) -> None:
    paths = [
        re.sub("<[^>]+>", "1", rule.rule)
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not rule.rule.startswith(("/api/", "/predict"))
    ]
    assert len(paths) >= 40
    broken = [path for path in sorted(paths) if admin.post(path, json=body).status_code >= 500]
    assert broken == []
