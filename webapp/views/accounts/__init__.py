"""Log in, people, keys."""
