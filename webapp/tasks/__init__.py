"""The queue door: what a worker does when it rings."""
