"""Networks: the published ones by their published names, and our own."""

from avatar_app.studio.nets.generator import Generator, GeneratorShape
from avatar_app.studio.nets.nova96 import Nova96
from avatar_app.studio.nets.published import load_published
from avatar_app.studio.nets.student28x import Student28x
from avatar_app.studio.nets.syncnet import SyncNet
from avatar_app.studio.nets.wav2lip import Wav2Lip

__all__ = ["Generator", "GeneratorShape", "Nova96", "Student28x", "SyncNet", "Wav2Lip", "load_published"]
