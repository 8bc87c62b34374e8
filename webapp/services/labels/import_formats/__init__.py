"""Formats of label files, a module each, with its line in `registry.READERS`."""
