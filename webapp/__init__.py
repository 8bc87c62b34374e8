"""Marque: upload a photo of a car, get its ranked classes, keep the history, correct it.

The factory is `webapp.app`.
"""
