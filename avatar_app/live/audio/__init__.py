"""The machine's sound devices, and the arithmetic of sound that several packages share."""
