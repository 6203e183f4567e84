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


@pytest.fixture
def ramp(tmp_path):
    """A tenth of a second whose samples count up."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.arange(1600) / 2000, 16_000, subtype="FLOAT")
    return path


def blocks_of(path, n_blocks: int, *, is_loop: bool):
    """The first blocks, and the clock's instant when each came."""
    clock, ring = ManualClock(s_to_ns(1)), Ring(100_000)
    mic = FileMic(path, clock, NoticeBoard(), is_loop=is_loop)
    mic.start(ring)
    blocks = [ring.take(timeout_s=2) for _ in range(n_blocks)]
    mic.stop()
    return blocks, mic


def test_file_when_played_then_blocks_hold_it_in_order_on_an_exact_grid(ramp):
    blocks, _ = blocks_of(ramp, 10, is_loop=False)
    assert np.allclose(np.concatenate([b.samples for b in blocks]), np.arange(1600) / 2000, atol=1e-6)
    assert [b.t_capture_ns for b in blocks] == [s_to_ns(1) + k * 10_000_000 for k in range(10)]
    assert [b.did_restart for b in blocks] == [True] + [False] * 9


def test_file_when_ended_then_silence_follows(ramp):
    blocks, _ = blocks_of(ramp, 30, is_loop=False)
    assert not np.concatenate([b.samples for b in blocks[10:]]).any()


def test_demo_when_ended_then_begins_again(ramp):
    blocks, _ = blocks_of(ramp, 20, is_loop=True)
    assert np.array_equal(blocks[3].samples, blocks[13].samples)


def test_file_when_clock_jumps_then_goes_on_from_now(ramp):
    class Sleepy(ManualClock):
        """Sleeps a minute once."""

        def sleep_until(self, t_ns, stop=None):
            if t_ns == s_to_ns(1) + 50_000_000:
                self.advance(s_to_ns(60))
            return super().sleep_until(t_ns, stop)

    ring = Ring(100_000)
    mic = FileMic(ramp, Sleepy(s_to_ns(1)), NoticeBoard(), is_loop=True)
    mic.start(ring)
    blocks = [ring.take(timeout_s=2) for _ in range(8)]
    mic.stop()
    assert blocks[5].t_capture_ns - blocks[3].t_capture_ns > s_to_ns(59)


def test_status_when_running_then_names_the_file(ramp):
    ring = Ring(100_000)
    mic = open_mic(f"file:{ramp}", ManualClock(), NoticeBoard())
    mic.start(ring)
    ring.take(timeout_s=2)
    assert (mic.status().state, mic.status().device) == (MicState.RUNNING, "ramp.wav")
    mic.stop()
    mic.stop()
    assert mic.status().state is MicState.STOPPED


def test_open_when_demo_then_plays_the_shipped_sample():
    ring = Ring(100_000)
    mic = open_mic("demo", ManualClock(), NoticeBoard())
    mic.start(ring)
    first = np.concatenate([ring.take(timeout_s=2).samples for _ in range(30)])
    mic.stop()
    assert np.abs(first).max() > 0.02


def test_start_when_file_is_missing_then_sentence(tmp_path):
    with pytest.raises(AudioInputError, match=r"nothing\.wav"):
        open_mic(f"file:{tmp_path / 'nothing.wav'}", ManualClock(), NoticeBoard()).start(Ring(1))
