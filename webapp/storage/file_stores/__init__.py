"""Where the bytes of uploads live, one file for each store."""
