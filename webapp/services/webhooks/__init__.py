"""Webhooks and how they are delivered."""
