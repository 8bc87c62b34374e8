"""Commands in the terminal: `flask photos`, `flask model`, `flask users`, `flask doctor`."""
