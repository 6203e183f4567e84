"""The studio: makes avatars, and the small fast networks behind them (needs the `studio` extra)."""
