"""Threads, slots and meters: shared by all parts of the live path."""
