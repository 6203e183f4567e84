"""Mel spectrogram of the live path: streaming, each column computed once, no librosa."""

from avatar_app.live.mel.history import MelHistory
from avatar_app.live.mel.stream import MelStream, melspectrogram

__all__ = ["MelHistory", "MelStream", "melspectrogram"]
