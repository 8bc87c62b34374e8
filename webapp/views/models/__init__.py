"""Versions, comparison, import."""
