"""How fast and how large: each benchmark measures against a named rival, or against a stated limit, in the same run."""
