"""Use cases: what the product can do.

One file each; tools come as arguments; each commits once, at its end.
"""
