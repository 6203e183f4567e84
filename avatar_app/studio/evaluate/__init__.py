"""Measures published students on held-out data through the live path, and compares them in a report."""
