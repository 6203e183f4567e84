"""The window. The only part of the program, with `app.py`, that knows Qt."""
