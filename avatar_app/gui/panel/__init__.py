"""The side panel: settings, page by page."""
