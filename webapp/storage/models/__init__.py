"""Queries about promotions and comparisons."""
