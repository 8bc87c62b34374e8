"""Health of the database."""
