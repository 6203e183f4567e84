"""The live path: microphone, mel, student, frame. No torch, no Qt."""
