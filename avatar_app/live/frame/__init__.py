"""From a mouth to a finished picture: avatars, their renderers, the speech gate, the pacer, the background."""

from avatar_app.live.frame.avatar import Avatar
from avatar_app.live.frame.avatar_folder import list_avatars
from avatar_app.live.frame.background import Background
from avatar_app.live.frame.badge import Badge
from avatar_app.live.frame.gate import SpeechGate
from avatar_app.live.frame.pacer import Pacer, Tick
from avatar_app.live.frame.picture_renderer import PictureRenderer
from avatar_app.live.frame.pose_assets import PoseAssets
from avatar_app.live.frame.posed_renderer import PosedRenderer
from avatar_app.live.frame.renderers import load_avatar, open_avatar

__all__ = [
    "Avatar",
    "Background",
    "Badge",
    "Pacer",
    "PictureRenderer",
    "PoseAssets",
    "PosedRenderer",
    "SpeechGate",
    "Tick",
    "list_avatars",
    "load_avatar",
    "open_avatar",
]
