"""How fast and how large: each against a named rival or a stated limit, in the same run."""
