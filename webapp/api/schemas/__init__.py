"""What API calls take and answer: one module a noun, with its requests, answers and presenters."""
