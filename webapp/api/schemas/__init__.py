"""What API calls take and answer."""
