"""From a mouth to a finished picture: the avatar's idle loop, the patch on it, the gate, the grid, the background."""

from avatar_app.live.frame.avatar import Avatar
from avatar_app.live.frame.background import Background
from avatar_app.live.frame.badge import Badge
from avatar_app.live.frame.compositor import Compositor
from avatar_app.live.frame.gate import SpeechGate
from avatar_app.live.frame.pacer import Pacer, Tick
from avatar_app.live.frame.pose_assets import PoseAssets
from avatar_app.live.frame.posed import PosedCompositor

__all__ = [
    "Avatar",
    "Background",
    "Badge",
    "Compositor",
    "Pacer",
    "PoseAssets",
    "PosedCompositor",
    "SpeechGate",
    "Tick",
]
