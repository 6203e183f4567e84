"""The voice, delayed so that it plays when its picture is shown."""

from avatar_app.live.voice.delay import shown_delay_ns
from avatar_app.live.voice.output import VoiceOutput
from avatar_app.live.voice.skew import Skew
from avatar_app.live.voice.stream import list_outputs
from avatar_app.live.voice.voice import NO_VOICE, VoiceState, VoiceStatus

__all__ = ["NO_VOICE", "Skew", "VoiceOutput", "VoiceState", "VoiceStatus", "list_outputs", "shown_delay_ns"]
