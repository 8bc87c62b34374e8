"""Relabel, label sets, label import."""
