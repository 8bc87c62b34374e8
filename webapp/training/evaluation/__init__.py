"""Measuring a published version on labelled photos."""
