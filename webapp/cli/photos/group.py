"""`flask photos`: photos from the terminal. Each command lives in a file of its own."""

from webapp.cli.history import command_group

bp = command_group(
    "photos", "Classify photos from the terminal, and take them and their labels in and out."
)
