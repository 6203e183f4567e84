"""Numbers for pictures and sounds: scores, sync, landmarks, held-out data."""
