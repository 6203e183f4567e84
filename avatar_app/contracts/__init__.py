"""Interfaces and data that the parts of the program share. Depends on numpy alone."""
