"""Synthetic rendered clips: grey pictures of rising brightness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.studio.mouth import REST

N = 6


def write_clips(
    nova: Path,
    sizes: Sequence[tuple[int, int]] = ((256, 256), (256, 256)),
    n_pictures: Sequence[int] = (N, N),
    splits: Sequence[str] = ("train", "test"),
) -> Path:
    """Clips; the first half of each at rest."""
    entries = []
    for number, ((width, height), n, split) in enumerate(zip(sizes, n_pictures, splits, strict=True)):
        name = f"still_{number:03d}"
        folder = nova / "clips" / name
        folder.mkdir(parents=True)
        with av.open(str(folder / "video.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 4_000_000
            for k in range(n):
                grey = np.full((height, width, 3), 60 + 20 * k * N // n, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="bgr24")))
            container.mux(stream.encode())
        params = np.tile(REST, (n, 1))
        params[n // 2 :, 0] = 0.5
        np.savez(folder / "params.npz", params=params[:, ::-1], names=np.array(MOUTH_NAMES[::-1]))
        entries.append({"clip": name, "split": split})
    entries.append({"clip": "tts_000", "split": "train"})
    (nova / "clips.json").write_text(json.dumps(entries))
    return nova
