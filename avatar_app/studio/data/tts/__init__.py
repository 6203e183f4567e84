"""Speech synthesis: several engines behind one interface, each optional. All run on this machine, without a network."""

from avatar_app.studio.data.tts.cache import SpeechCache
from avatar_app.studio.data.tts.choice import available_engines, choose_voices
from avatar_app.studio.data.tts.engine import RATE_HZ, Engine, Voice

__all__ = ["RATE_HZ", "Engine", "SpeechCache", "Voice", "available_engines", "choose_voices"]
