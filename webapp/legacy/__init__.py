"""The calls of five earlier services, unchanged for their clients; a module for each service."""
