"""Builds the training data: voices with phone times from LibriSpeech, and rendered clips."""
