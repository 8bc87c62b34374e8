"""Queries about photos and predictions."""
