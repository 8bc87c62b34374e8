"""The calls of five earlier services, in their shapes."""
