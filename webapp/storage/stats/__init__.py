"""Queries and counters of the statistics."""
