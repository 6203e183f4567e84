"""Recordings and snapshots: pictures and sound as files."""

from avatar_app.live.record.encoders import pick_encoder
from avatar_app.live.record.folder import pictures_folder, unfinished, videos_folder
from avatar_app.live.record.formats import RecordFormat, RecordOptions
from avatar_app.live.record.recorder import VOICE_BLOCKS, Recorder
from avatar_app.live.record.recovery import Recovery
from avatar_app.live.record.repair import repair
from avatar_app.live.record.snapshot_file import snapshot
from avatar_app.live.record.status import RecordState, RecordStatus
from avatar_app.live.record.video_file import VideoFile, VideoFormat

__all__ = [
    "VOICE_BLOCKS",
    "RecordFormat",
    "RecordOptions",
    "RecordState",
    "RecordStatus",
    "Recorder",
    "Recovery",
    "VideoFile",
    "VideoFormat",
    "pick_encoder",
    "pictures_folder",
    "repair",
    "snapshot",
    "unfinished",
    "videos_folder",
]
