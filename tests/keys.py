"""Keys for servers that run already."""

from __future__ import annotations

from pathlib import Path

from webapp.app import create_app
from webapp.config import Config
from webapp.services.accounts import api_keys
from webapp.storage.database import db


def admin_key(folder: Path) -> str:
    """The text of a new key with the scope `admin` for the Marque whose data lies in `folder`."""
    app = create_app(Config(data=folder, models=folder / "models", secret_key="k" * 32))
    with app.app_context():
        _row, text = api_keys.create_key("tests", "admin")
        db.session.remove()
        db.engine.dispose()
    return text
