"""Label sets and label imports in the terminal."""
