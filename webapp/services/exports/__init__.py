"""Photos and predictions as files."""
