"""Training from the history: what there is to learn from, and the runs."""
