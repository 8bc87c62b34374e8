"""The JSON door under `/api/v1`: the same services as the HTML door, in JSON."""
