"""Formats of label files, a module each, with its line in `reading.READERS`."""
