"""A small data folder for tests: clips of a face whose mouth is a dark rectangle, and one voice."""

import json
from pathlib import Path

import av
import numpy as np
import soundfile

from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.live.frame import Avatar
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.settings.paths import demo_sample
from avatar_app.studio.mouth import REST

SECONDS = 2
N_PICTURES = 25 * SECONDS
N_TRAIN_CLIPS = 2


def write_data(root: Path) -> Path:
    """`nova/` with two training clips and one test clip, `speech/` with one test speaker."""
    voice = read_audio(demo_sample())
    write_rig(root / "nova")
    entries = []
    for number in range(N_TRAIN_CLIPS + 1):
        name = f"still_{number:03d}"
        write_clip(root / "nova" / "clips" / name, voice[number * 32_000 :][: SECONDS * 16_000], number)
        entries.append({"clip": name, "split": "train" if number < N_TRAIN_CLIPS else "test"})
    (root / "nova" / "clips.json").write_text(json.dumps(entries))
    speech = root / "speech" / "librispeech"
    speech.mkdir(parents=True)
    soundfile.write(speech / "voice_F_1.flac", voice[: SECONDS * 16_000], 16_000)
    phones = [["sil", 0.0, 0.3], ["ao", 0.3, 0.9], ["m", 0.9, 1.2], ["iy", 1.2, 1.9]]
    about = {"text": "oh me", "phones": phones, "trust": "high", "split": "test"}
    (speech / "phones.json").write_text(json.dumps({"voice_F_1": about}))
    return root


def write_clip(folder: Path, samples: np.ndarray, seed: int) -> None:
    """Nova at rest, with a dark rectangle as the mouth; its height is the opening of the jaw."""
    folder.mkdir(parents=True)
    params = np.tile(REST, (N_PICTURES, 1)).astype(np.float32)
    jaw = 0.5 + 0.5 * np.sin(np.arange(N_PICTURES) * 0.9 + seed)
    params[8:, 0] = jaw[8:]
    face = Avatar.load("nova").reference
    with av.open(str(folder / "video.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 256, 256, "yuv420p", 4_000_000
        for open_ratio in params[:, 0]:
            picture = face.copy()
            picture[198 : 198 + round(30 * float(open_ratio)), 104:152] = 15
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    np.savez(folder / "params.npz", params=params, names=np.array(MOUTH_NAMES))
    soundfile.write(folder / "audio.flac", samples, 16_000)


def write_rig(folder: Path) -> Path:
    """A head that has only lips: rings of vertices; the jaw moves the lower half."""
    folder.mkdir(parents=True, exist_ok=True)
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    rings = [np.stack((0.23 * r * np.cos(angle), 0 * angle, 0.09 * r * np.sin(angle)), axis=1) for r in (0.3, 0.6, 1.0)]
    neutral = np.concatenate(rings).astype(np.float32)
    neutral[:, 2] += 6.165
    deltas = np.zeros((17, len(neutral), 3), np.float32)
    deltas[0, neutral[:, 2] < 6.165, 2] = -0.1
    eyes = np.array([[0.29, -1.1, 6.768], [-0.29, -1.1, 6.768]], np.float32)
    np.savez(folder / "rig.npz", neutral=neutral, deltas=deltas, label=np.zeros(len(neutral), np.uint8),
             label_names=np.array(["lips"]), eye_center=eyes)  # fmt: skip
    return folder / "rig.npz"
