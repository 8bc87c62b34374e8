"""The WSGI entry: both gunicorn and the `flask` command find `app` here."""

from webapp.app import create_app

app = create_app()
