"""Ground truth: relabel, undo, label sets, imports, the log."""
