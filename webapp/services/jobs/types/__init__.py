"""Job types, one file each; `registry` lists them."""
