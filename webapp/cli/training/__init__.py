"""`flask model train|dataset|evaluate|search`."""
