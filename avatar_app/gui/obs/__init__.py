"""The delay that OBS applies to a raw microphone."""
