"""Job types, one file each; `registry` reads them."""
