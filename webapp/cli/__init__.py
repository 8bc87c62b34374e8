"""The terminal door: `flask photos`, `flask model`, `flask users`, `flask doctor`."""
