"""Training data: voices, mouth curves, clips and noises."""
