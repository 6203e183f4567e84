"""The user's settings and their files. Never imports Qt, so that the command line reads the same file."""
