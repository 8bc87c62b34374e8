"""Cars: how they are read and written, with what models and people said about them."""
