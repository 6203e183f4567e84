"""Records the user sentence by sentence, for an avatar of their own."""

from avatar_app.live.enrol.recorder import SentenceResult
from avatar_app.live.enrol.session import RecordingSession, SessionStatus

__all__ = ["RecordingSession", "SentenceResult", "SessionStatus"]
