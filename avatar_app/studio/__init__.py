"""The studio: makes avatars and their networks (needs the extra `studio`)."""
