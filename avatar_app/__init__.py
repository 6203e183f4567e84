"""A live microphone moves the lips of a photoreal avatar, on an ordinary CPU."""

__version__ = "0.1.0"
