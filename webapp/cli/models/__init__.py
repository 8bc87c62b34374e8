"""`flask model`: versions, imports, promotion."""
