"""`flask photos`: photos from the terminal. Each command lives in a file of its own."""

from flask import Blueprint

from webapp.cli.exports import export_command
from webapp.cli.labels.label_import import import_command
from webapp.cli.photos.classify import classify_command
from webapp.cli.photos.retention import keep_command, purge_command

bp = Blueprint("cli_photos", __name__, cli_group="photos")
bp.cli.help = "Classify photos from the terminal, and take them and their labels in and out."
for command in (classify_command, export_command, import_command, purge_command, keep_command):
    bp.cli.add_command(command)
