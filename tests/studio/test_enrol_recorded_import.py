"""What the wizard records is imported in sync: a flash and a tone at one instant stay together."""

import numpy as np
import pytest

from avatar_app.contracts.packets import VoiceBlock
from avatar_app.live.enrol.sentence_file import SentenceFile
from avatar_app.studio.enrol.video_import import Limits, import_video

MS, RATE_HZ = 1_000_000, 44_100
SIZE = (160, 120)
FLASH_MS = 1_010


def test_recording_when_imported_then_picture_and_sound_are_in_sync(tmp_path):
    t_zero_ns = 7_000 * MS
    file = SentenceFile(tmp_path / "s.mkv", SIZE, t_zero_ns)
    rng = np.random.default_rng(1)
    # A camera of about 29 pictures a second with jitter, and a microphone at its own rate.
    times_ms = np.cumsum(rng.uniform(30, 38, 60))
    for t_ms in times_ms:
        picture = np.full((SIZE[1], SIZE[0], 3), 220 if t_ms >= FLASH_MS else 30, np.uint8)
        file.add_picture(picture, t_zero_ns + round(t_ms * MS))
    sound = np.zeros(2 * RATE_HZ, np.float32)
    sound[FLASH_MS * RATE_HZ // 1000 :] = 0.5
    for k in range(0, len(sound), 441):
        file.add_sound(VoiceBlock(t_zero_ns + k * 1000 * MS // RATE_HZ, RATE_HZ, sound[k : k + 441]))
    file.finish(t_zero_ns + 2_000 * MS)
    made = import_video(tmp_path / "s.mkv", tmp_path / "work", Limits(0.0, 60.0))
    brightness = np.load(made.pictures, mmap_mode="r").mean(axis=(1, 2, 3))
    heard = np.abs(np.load(made.sound))
    # The import begins with the first picture; picture k shows the instant (k + 0.5) / 25 s.
    first_ms, seen_ms = times_ms[0], times_ms[times_ms >= FLASH_MS][0]
    t_flash_ms = (int(np.argmax(brightness > 120)) + 0.5) * 40
    t_tone_ms = int(np.argmax(heard > 0.25)) / 16
    assert t_tone_ms == pytest.approx(FLASH_MS - first_ms, abs=3)
    assert 0 <= t_flash_ms - (seen_ms - first_ms) <= 40
    assert len(heard) == len(brightness) * 640
