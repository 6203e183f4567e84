"""Reusable controls, and the theme."""
