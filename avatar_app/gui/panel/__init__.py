"""The side panel: all settings."""
