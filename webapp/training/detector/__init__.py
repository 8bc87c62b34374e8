"""The car detector: its data, its network, its training and its figures."""
