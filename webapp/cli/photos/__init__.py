"""`flask photos` and `flask demo`."""
