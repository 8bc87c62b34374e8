"""`flask photos`: rank photos from the terminal, and take them and their labels in and out. Each command lives in a file of its own."""

from __future__ import annotations

from flask import Blueprint

from webapp.cli.exporting import export_command
from webapp.cli.keeping import keep_command, purge_command
from webapp.cli.labelling import import_command
from webapp.cli.ranking import classify_command

bp = Blueprint("cli_photos", __name__, cli_group="photos")
bp.cli.help = "Rank photos from the terminal, and take them and their labels in and out."
for command in (classify_command, export_command, import_command, purge_command, keep_command):
    bp.cli.add_command(command)
