"""Recordings of a person for tests: Nova's face with a moving mouth, or plain pictures, with sound."""

from __future__ import annotations

import av
import numpy as np

from tests.fakes.media import packets_of

FPS, RATE_HZ = 25, 16_000


def write_recording(path, pictures, samples):
    """A video of (H, W, 3) BGR pictures at 25 fps with (n,) float32 sound at 16 kHz."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12", "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        sound = container.add_stream("flac" if path.suffix == ".mkv" else "aac", rate=RATE_HZ)
        sound.codec_context.layout = "mono"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
        to_codec = av.AudioResampler(sound.codec_context.format or "s16", "mono", RATE_HZ)
        for packet in packets_of(sound, to_codec, np.asarray(samples, np.float32)[:, None], RATE_HZ, 0.0):
            container.mux(packet)
        container.mux(sound.encode(None))
    return path
