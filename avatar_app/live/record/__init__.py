"""Pictures and sound into a video file."""

from avatar_app.live.record.video_file import VideoFile, VideoFormat

__all__ = ["VideoFile", "VideoFormat"]
