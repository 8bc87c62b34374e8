"""Accuracy on checked photos."""
