"""Metrics of pictures and speech: scores, sync, landmarks, and the held-out data they are measured on."""
