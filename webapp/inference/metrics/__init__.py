"""Formulas on counts and probabilities."""
