"""Versions for people: cards, comparison, promotion."""
