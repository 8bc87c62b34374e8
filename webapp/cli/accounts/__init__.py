"""`flask users` and `flask keys`."""
