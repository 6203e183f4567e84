"""The wizard that makes an avatar of the user."""
