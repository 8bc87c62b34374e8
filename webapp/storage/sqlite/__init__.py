"""What only SQLite has: every other query runs on PostgreSQL too."""
