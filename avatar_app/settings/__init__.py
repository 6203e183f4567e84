"""What the user chose, and where it is kept. Never imports Qt, so that the command line reads the same file."""
