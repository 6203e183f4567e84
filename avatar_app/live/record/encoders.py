"""Finds a video encoder that works here: each is tested with a picture, because a listed encoder may still fail."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import av
import numpy as np

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record.formats import KEYFRAMES_PER_S, RecordFormat, VideoSize

log = logging.getLogger(__name__)

CRF = 18
BITS_PER_PIXEL = 0.5
MIN_BIT_RATE = 1_500_000
BT601, LIMITED_RANGE = 6, 1  # AVCOL_*_SMPTE170M, AVCOL_RANGE_MPEG: what OpenCV's conversion to I420 computes
# The worst constant rate factor of each format; 0 is the best.
WORST_CRF = {RecordFormat.MP4: 51, RecordFormat.WEBM: 63}


@dataclass(frozen=True, slots=True)
class Encoder:
    """A video encoder and its settings.

    Attributes:
        name: FFmpeg's name.
        pixel_format: of its input.
        options: encoder-specific.
        has_bit_rate: whether a bit rate sets its quality.
    """

    name: str
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    has_bit_rate: bool = True
    is_hardware: bool = False


HARDWARE = (
    Encoder("h264_videotoolbox", options={"realtime": "1"}, is_hardware=True),
    Encoder("h264_nvenc", options={"preset": "p4", "delay": "0"}, is_hardware=True),
    Encoder("h264_qsv", "nv12", is_hardware=True),
    # Accepts frames in GPU memory only, which PyAV cannot fill yet, so its test fails.
    Encoder("h264_vaapi", "nv12", is_hardware=True),
    Encoder("h264_mf", "nv12", options={"hw_encoding": "1"}, is_hardware=True),
)
X264 = Encoder("libx264", options={"preset": "veryfast", "tune": "zerolatency", "crf": str(CRF)}, has_bit_rate=False)
SOFTWARE = (X264, Encoder("libopenh264"), Encoder("h264_mf", "nv12"), Encoder("mpeg4"))
# The first takes a third of the time of the second for the same file size.
PRORES = (
    Encoder("prores_aw", "yuva444p10le", {"profile": "4", "vendor": "apl0"}, has_bit_rate=False),
    Encoder("prores_ks", "yuva444p10le", {"profile": "4444", "vendor": "apl0", "alpha_bits": "8"}, has_bit_rate=False),
)
VP9 = (
    Encoder(
        "libvpx-vp9",
        "yuva420p",
        {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "auto-alt-ref": "0", "lag-in-frames": "0"},
    ),
)


def candidates(kind: RecordFormat, wanted: str) -> tuple[Encoder, ...]:
    """The encoders of a format, best first; `wanted` is "auto", "software", or a name."""
    if kind is RecordFormat.PRORES:
        return PRORES
    if kind is RecordFormat.WEBM:
        return VP9
    named = tuple(e for e in (*HARDWARE, *SOFTWARE) if e.name == wanted)
    return named or ((*HARDWARE, *SOFTWARE) if wanted == "auto" else SOFTWARE)


def offline_encoders(kind: RecordFormat, crf: int, *, has_alpha: bool) -> tuple[Encoder, ...]:
    """The encoders for a video that is not recorded live, best first.

    Args:
        kind: format.
        crf: quality, 0 (best) to that of `WORST_CRF`.
        has_alpha: whether transparency is kept, if the format can.
    """
    if kind is RecordFormat.PRORES:
        return PRORES
    if kind is RecordFormat.WEBM:
        pixel_format, by_quality = "yuva420p" if has_alpha else "yuv420p", {"crf": str(crf), "b": "0"}
        return tuple(
            replace(e, pixel_format=pixel_format, options={**e.options, **by_quality}, has_bit_rate=False) for e in VP9
        )
    x264 = Encoder("libx264", options={"preset": "veryfast", "crf": str(crf)}, has_bit_rate=False)
    return (x264, Encoder("h264_videotoolbox"), *SOFTWARE[1:])


def pick_encoder(kind: RecordFormat, wanted: str, size: VideoSize) -> Encoder:
    """The first encoder for a recording that works here. Takes up to a second.

    Raises:
        OutputError: none works.
    """
    return first_working(candidates(kind, wanted), kind, size)


def first_working(encoders: Sequence[Encoder], kind: RecordFormat, size: VideoSize) -> Encoder:
    """The first encoder that encodes a picture of this size.

    Raises:
        OutputError: none works.
    """
    for encoder in encoders:
        problem = try_encoder(encoder, size)
        if problem is None:
            log.info("encoding with %s", encoder.name)
            return encoder
        log.info("encoder %s cannot be used: %s", encoder.name, problem)
    raise OutputError(
        f"No video encoder for {kind.value} works here at {size.width_px} x {size.height_px}.",
        "Install the `av` wheel from PyPI (pip install av), or choose another format.",
    )


def try_encoder(encoder: Encoder, size: VideoSize) -> str | None:
    """Encode a grey picture.

    Returns:
        Why it failed, None when it worked.
    """
    try:
        context: Any = av.CodecContext.create(encoder.name, "w")
        configure(context, encoder, size)
        grey = np.full((size.height_px, size.width_px, 4), 128, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="bgra").reformat(format=encoder.pixel_format)
        frame.pts, frame.time_base = 0, Fraction(1, size.fps)
        packets = [*context.encode(frame), *context.encode(None)]
    except (ValueError, TypeError, OSError, av.FFmpegError) as error:
        return f"{type(error).__name__}: {error}"
    return None if any(packet.size for packet in packets) else "it produced no data"


def configure(context: Any, encoder: Encoder, size: VideoSize, *, is_live: bool = True) -> None:
    """Set up a codec context. A live one keeps no frame back, so that a killed program loses little."""
    context.width, context.height, context.pix_fmt = size.width_px, size.height_px, encoder.pixel_format
    context.time_base, context.framerate = Fraction(1, size.fps), Fraction(size.fps)
    if is_live:
        context.gop_size = max(1, size.fps // KEYFRAMES_PER_S)
        # Without B-frames no frame waits in the encoder.
        context.max_b_frames = 0
        # More threads encode no faster at this size, and rendering needs the other cores.
        context.thread_count = 1 if size.width_px * size.height_px <= 1_000_000 else 2
    context.color_range = LIMITED_RANGE
    context.colorspace = context.color_primaries = context.color_trc = BT601
    context.options = dict(encoder.options)
    if encoder.has_bit_rate:
        context.bit_rate = max(MIN_BIT_RATE, int(size.width_px * size.height_px * size.fps * BITS_PER_PIXEL))
