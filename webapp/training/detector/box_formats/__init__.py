"""Formats of box lists, a module each, with its line in `box_data`."""
