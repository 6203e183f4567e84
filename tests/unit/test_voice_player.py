import numpy as np
import pytest

from avatar_app.bench.voice_simulation import Scenario, simulate
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.voice.buffer import PlayBuffer
from avatar_app.live.voice.delay import FIRST_DELAY_NS, DelayFollower, shown_delay_ns
from avatar_app.live.voice.delay_line import DelayLine
from avatar_app.live.voice.player import Player, Stamp
from avatar_app.live.voice.skew import Skew

RATE_HZ = 48_000
N = 480
STEP_NS = ms_to_ns(10)
LATENCY_NS = ms_to_ns(20)


class Rig:
    """A microphone whose samples count up, and an output, both with exact clocks."""

    def __init__(self, delay_ms: float = 100.0) -> None:
        self.delay_ms = delay_ms
        self.player = Player(DelayLine(RATE_HZ), RATE_HZ, lambda: ms_to_ns(self.delay_ms))
        self.step = 0
        self.played: list[np.ndarray] = []

    def run(self, n_steps: int, is_mic_on: bool = True) -> np.ndarray:
        """What is played in some steps of 10 ms; sample k of the microphone has the value k * 1e-6."""
        first = len(self.played)
        for _ in range(n_steps):
            t_ns = self.step * STEP_NS
            out = np.zeros((N, 2), np.float32)
            self.player.note(Stamp(self.player.buffer.n_read, N, t_ns + LATENCY_NS))
            self.player.buffer.read(out)
            self.played.append(out[:, 0])
            assert np.array_equal(out[:, 0], out[:, 1])
            if is_mic_on and self.step:
                values = np.arange((self.step - 1) * N, self.step * N, dtype=np.float32) * 1e-6
                self.player.feed([VoiceBlock(t_ns - STEP_NS, RATE_HZ, values)])
            self.player.fill(t_ns)
            self.step += 1
        return np.concatenate(self.played[first:])

    def late_ms(self, played: np.ndarray) -> float:
        """Time from the capture of the last played sample to its output."""
        t_left_s = (self.step * N - 1) / RATE_HZ + LATENCY_NS / 1e9
        return 1000 * (t_left_s - float(played[-1]) * 1e6 / RATE_HZ)


def test_player_when_delay_is_set_then_sound_is_played_that_long_after_its_capture():
    rig = Rig(delay_ms=100)
    assert rig.late_ms(rig.run(100)) == pytest.approx(100, abs=0.1)
    assert rig.player.buffer.n_underruns == 0
    skew = rig.player.skew.read()
    assert skew.n > 50
    assert max(abs(skew.min_ms), abs(skew.max_ms)) < 0.1


def test_player_when_delay_grows_by_much_then_sound_follows_within_a_second():
    rig = Rig(delay_ms=100)
    rig.run(100)
    rig.delay_ms = 180
    assert rig.late_ms(rig.run(110)) == pytest.approx(180, abs=0.1)
    assert rig.player.delay_ms == pytest.approx(180, abs=0.1)


def test_player_when_devices_are_slower_than_the_pictures_then_steady_sound_whose_lateness_is_reported():
    rig = Rig(delay_ms=5)
    rig.run(200)
    n_before = rig.player.buffer.n_underruns
    played = rig.run(300)
    assert rig.player.buffer.n_underruns == n_before
    assert rig.late_ms(played) == pytest.approx(5 + rig.player.late_ms, abs=0.5)
    assert 20 < rig.player.late_ms < 60
    assert rig.player.skew.read().p50_ms == pytest.approx(-rig.player.late_ms, abs=1)


def test_player_when_microphone_pauses_then_one_underrun_silence_and_on_time_again():
    rig = Rig(delay_ms=100)
    rig.run(100)
    silent = rig.run(60, is_mic_on=False)
    assert not silent[-N * 20 :].any()
    assert rig.player.buffer.n_underruns == 1
    assert rig.late_ms(rig.run(100)) == pytest.approx(100, abs=0.1)
    assert rig.player.buffer.n_underruns <= 2


def test_player_when_thread_is_late_by_50_ms_then_nothing_is_missing():
    rig = Rig(delay_ms=150)
    rig.run(100)
    for _ in range(5):
        rig.player.buffer.read(np.zeros((N, 1), np.float32))
    assert rig.player.buffer.n_underruns == 0


def test_buffer_when_empty_then_sound_fades_and_indices_continue():
    buffer, out = PlayBuffer(1000), np.full((400, 2), np.nan, np.float32)
    buffer.write(0, np.full(500, 0.5, np.float32))
    buffer.read(out)
    assert (out == 0.5).all()
    buffer.read(out)
    assert (out[:100] == 0.5).all()
    assert np.abs(np.diff(out[:, 0])).max() < 0.01
    assert not out[-40:].any()
    assert (buffer.n_underruns, buffer.n_read, buffer.n_waiting) == (1, 800, 0)
    buffer.write(buffer.n_read, np.full(300, 0.25, np.float32))
    buffer.read(out)
    assert (out[:300] == 0.25).all()


def test_buffer_when_full_then_refused_and_nothing_grows():
    buffer = PlayBuffer(1000)
    buffer.write(0, np.zeros(900, np.float32))
    with pytest.raises(ValueError, match="full"):
        buffer.write(900, np.zeros(200, np.float32))
    assert (buffer.n_waiting, buffer.n_free) == (900, 100)


def test_follower_when_delay_is_unknown_then_late_rather_than_early():
    assert DelayFollower(lambda: None).poll(0) == FIRST_DELAY_NS
    assert DelayFollower(lambda: float("nan")).poll(0) == FIRST_DELAY_NS


def test_follower_when_one_value_is_far_off_then_ignored_and_when_it_lasts_then_followed():
    measured_ns = [ms_to_ns(100)] * 20 + [ms_to_ns(400)] + [ms_to_ns(100)] * 20 + [ms_to_ns(160)] * 10
    values = iter(measured_ns)
    follower = DelayFollower(lambda: next(values))
    used = [follower.poll(k * ms_to_ns(100)) for k in range(len(measured_ns))]
    assert used[:41] == [ms_to_ns(100)] * 41
    assert used[-1] == ms_to_ns(160)


def test_shown_delay_when_a_click_is_shown_by_the_next_picture_then_within_the_limits_at_every_rate():
    for fps in (25, 30, 50, 60):
        voice_ms = shown_delay_ns(100, 8, fps) / 1e6
        skews_ms = [108 + wait_ms - voice_ms for wait_ms in np.linspace(0, 1000 / fps, 200)]
        assert Skew.of(skews_ms).is_within_limits


def test_shown_delay_when_there_is_no_window_then_that_of_the_picture_and_nan_before_the_first():
    assert shown_delay_ns(100, float("nan"), 25) == shown_delay_ns(100, 0, 25)
    assert np.isnan(shown_delay_ns(float("nan"), 8, 25))


@pytest.mark.slow
def test_simulated_eight_hours_when_clocks_differ_by_100_ppm_then_in_sync_and_queue_bounded():
    outcome = simulate(Scenario(hours=8, drift_ppm=100, step_ms=100, delay_ns=lambda _: ms_to_ns(420)))
    assert outcome.skew.n == 8 * 36_000 - 600
    assert outcome.skew.is_within_limits
    assert outcome.skew.min_ms > -5 and outcome.skew.max_ms < 5
    assert outcome.drift_ppm == pytest.approx(100, abs=15)
    assert outcome.n_max_waiting <= outcome.lead_samples
    assert outcome.n_underruns == 0


@pytest.mark.parametrize("drift_ppm", [-300.0, 300.0])
def test_simulated_quarter_of_an_hour_when_blocks_have_10_ms_then_in_sync(drift_ppm):
    outcome = simulate(Scenario(hours=0.25, drift_ppm=drift_ppm, step_ms=10, delay_ns=lambda _: ms_to_ns(130)))
    assert outcome.skew.is_within_limits
    assert outcome.skew.min_ms > -3 and outcome.skew.max_ms < 3
    assert outcome.drift_ppm == pytest.approx(drift_ppm, abs=25)
    assert outcome.n_jumps == 0
    assert outcome.n_max_waiting <= outcome.lead_samples


def test_simulated_output_when_delay_changes_then_little_is_slewed_and_much_jumps_once():
    def after_a_while(first_ms, then_ms):
        return lambda t_ns: ms_to_ns(first_ms if t_ns < 200e9 else then_ms)

    slewed = simulate(Scenario(hours=0.2, step_ms=20, delay_ns=after_a_while(150, 157)))
    jumped = simulate(Scenario(hours=0.2, step_ms=20, delay_ns=after_a_while(150, 230)))
    assert (slewed.n_jumps, jumped.n_jumps) == (0, 1)
    assert slewed.skew.max_ms < 8
    assert jumped.skew.p99_ms < 2


def test_player_when_microphone_paused_for_seconds_then_the_output_is_not_late():
    rig = Rig(delay_ms=100)
    rig.run(10)
    rig.run(460, is_mic_on=False)
    # As many measurements as the player keeps: the one after the pause must not be among them.
    rig.run(26)
    assert rig.player.late_ms == pytest.approx(0, abs=0.1)
    assert rig.late_ms(rig.run(100)) == pytest.approx(100, abs=0.1)
