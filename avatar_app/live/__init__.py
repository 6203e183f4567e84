"""The live path from the microphone to the sinks. It imports neither torch nor Qt."""
