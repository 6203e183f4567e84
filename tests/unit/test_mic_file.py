import tracemalloc

import numpy as np
import pytest
import soundfile

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.mic import MicState, open_mic
from avatar_app.live.mic.file import FileMic
from tests.fakes.media import CASES

# Only a failing test waits this long.
WAIT_S = 60


@pytest.fixture
def ramp(tmp_path):
    """A tenth of a second whose samples count up."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.arange(1600) / 2000, 16_000, subtype="FLOAT")
    return path


def blocks_of(path, n_blocks: int, *, is_loop: bool):
    """The first blocks, and the microphone."""
    clock, ring = ManualClock(s_to_ns(1)), Ring(100_000)
    mic = FileMic(path, clock, NoticeBoard(), is_loop=is_loop)
    mic.start(ring)
    blocks = [ring.take(timeout_s=WAIT_S) for _ in range(n_blocks)]
    mic.stop()
    return blocks, mic


def test_file_when_played_then_blocks_in_order_on_an_exact_grid(ramp):
    blocks, _ = blocks_of(ramp, 10, is_loop=False)
    assert np.allclose(np.concatenate([b.samples for b in blocks]), np.arange(1600) / 2000, atol=1e-6)
    assert [b.t_capture_ns for b in blocks] == [s_to_ns(1) + k * 10_000_000 for k in range(10)]
    assert [b.did_restart for b in blocks] == [True] + [False] * 9


def test_file_when_ended_then_silence_follows(ramp):
    blocks, _ = blocks_of(ramp, 30, is_loop=False)
    assert not np.concatenate([b.samples for b in blocks[10:]]).any()


def test_file_when_looped_then_starts_over(ramp):
    blocks, _ = blocks_of(ramp, 20, is_loop=True)
    assert np.array_equal(blocks[3].samples, blocks[13].samples)


def test_file_when_clock_jumps_then_continues_from_now_within_a_second(ramp):
    class SuspendedClock(ManualClock):
        """Jumps by a minute once."""

        def sleep_until(self, t_ns, stop=None):
            if t_ns == s_to_ns(1) + 50_000_000:
                self.advance(s_to_ns(60))
            return super().sleep_until(t_ns, stop)

    ring = Ring(100_000)
    mic = FileMic(ramp, SuspendedClock(s_to_ns(1)), NoticeBoard(), is_loop=True)
    mic.start(ring)
    blocks = [ring.take(timeout_s=WAIT_S) for _ in range(100)]
    mic.stop()
    assert blocks[-1].t_capture_ns - blocks[3].t_capture_ns > s_to_ns(59)
    assert blocks[-1].index - blocks[-2].index == 160


def test_status_when_running_then_names_the_file(ramp):
    ring = Ring(100_000)
    mic = open_mic(f"file:{ramp}", ManualClock(), NoticeBoard())
    mic.start(ring)
    ring.take(timeout_s=WAIT_S)
    assert (mic.status().state, mic.status().device) == (MicState.RUNNING, "ramp.wav")
    mic.stop()
    mic.stop()
    assert mic.status().state is MicState.STOPPED


def test_open_when_demo_then_plays_the_shipped_sample():
    ring = Ring(100_000)
    mic = open_mic("demo", ManualClock(), NoticeBoard())
    mic.start(ring)
    first = np.concatenate([ring.take(timeout_s=WAIT_S).samples for _ in range(30)])
    mic.stop()
    assert np.abs(first).max() > 0.02


def test_start_when_file_is_missing_then_error(tmp_path):
    with pytest.raises(AudioInputError, match=r"nothing\.wav"):
        open_mic(f"file:{tmp_path / 'nothing.wav'}", ManualClock(), NoticeBoard()).start(Ring(1))


@pytest.mark.parametrize("name", ["~nosuchuser/nothing.wav", "a\0b.wav", "x" * 300 + ".wav"])
def test_start_when_the_file_name_is_impossible_then_error(name):
    with pytest.raises(AudioInputError, match=r"There is no file|cannot be read"):
        open_mic(f"file:{name}", ManualClock(), NoticeBoard()).start(Ring(1))


def test_file_when_channels_are_inverted_then_as_one_channel():
    both, rate_hz = soundfile.read(CASES / "inv.wav", dtype="float32")
    assert rate_hz == 48_000
    blocks, _ = blocks_of(CASES / "inv.wav", 40, is_loop=False)
    played = np.concatenate([block.samples for block in blocks])
    # Speech has little above 8 kHz: every third sample is near enough.
    assert np.corrcoef(played, both[::3, 0])[0, 1] > 0.95
    assert np.sqrt(np.square(played).mean()) > 0.8 * np.sqrt(np.square(both[:, 0]).mean())


@pytest.mark.parametrize("is_loop", [False, True])
def test_file_when_a_packet_is_damaged_then_the_rest_is_played_and_a_notice_reports_the_missing_time(is_loop):
    notices, ring = NoticeBoard(), Ring(100_000)
    mic = FileMic(CASES / "corrupt.mp3", ManualClock(), notices, is_loop=is_loop)
    mic.start(ring)
    blocks = [ring.take(timeout_s=WAIT_S) for _ in range(210)]
    mic.stop()
    assert np.abs(np.concatenate([block.samples for block in blocks[110:190]])).max() > 0.1
    assert [notice.text for notice in notices.current()] == ["0.1 s of the sound of corrupt.mp3 cannot be read."]


def test_file_when_an_hour_long_then_it_is_not_read_into_memory(tmp_path):
    path = tmp_path / "hour.wav"
    soundfile.write(path, np.full(16_000, 0.25), 16_000, format="RF64")
    # A sparse file, which uses no disk space.
    n_bytes = path.stat().st_size - 32_000 + 3600 * 32_000
    with path.open("r+b") as file:
        content = file.read(200)
        file.seek(content.index(b"ds64") + 8)
        for size in (n_bytes - 8, 3600 * 32_000, 3600 * 16_000):
            file.write(size.to_bytes(8, "little"))
        file.truncate(n_bytes)
    tracemalloc.start()
    mic, ring = FileMic(path, ManualClock(), NoticeBoard(), is_loop=True), Ring(10)
    mic.start(ring)
    assert ring.take(timeout_s=WAIT_S) is not None
    peak_bytes = tracemalloc.get_traced_memory()[1]
    mic.stop()
    tracemalloc.stop()
    assert peak_bytes < 20_000_000
