"""What networks are trained on: voices, mouths, clips, and noises that are no speech."""
