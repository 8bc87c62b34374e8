"""Queries about label events and label sets."""
