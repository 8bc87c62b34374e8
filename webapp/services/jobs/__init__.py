"""Background jobs: the queue, the worker's side, and the job types."""
