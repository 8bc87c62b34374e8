"""Model files from elsewhere: checked, rebuilt in a child process, published."""
