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


class Stage:
    """A microphone that counts, and an output, both in step with time."""

    def __init__(self, delay_ms: float = 100.0) -> None:
        self.delay_ms = delay_ms
        self.player = Player(DelayLine(RATE_HZ), RATE_HZ, lambda: ms_to_ns(self.delay_ms))
        self.step = 0
        self.heard: list[np.ndarray] = []

    def run(self, n_steps: int, is_mic_on: bool = True) -> np.ndarray:
        """What is heard in so many steps of 10 ms; sample k of the microphone has the value k in millionths."""
        first = len(self.heard)
        for _ in range(n_steps):
            t_ns = self.step * STEP_NS
            out = np.zeros((N, 2), np.float32)
            self.player.note(Stamp(self.player.buffer.n_read, N, t_ns + LATENCY_NS))
            self.player.buffer.read(out)
            self.heard.append(out[:, 0])
            assert np.array_equal(out[:, 0], out[:, 1])
            if is_mic_on and self.step:
                values = np.arange((self.step - 1) * N, self.step * N, dtype=np.float32) * 1e-6
                self.player.feed([VoiceBlock(t_ns - STEP_NS, RATE_HZ, values)])
            self.player.fill(t_ns)
            self.step += 1
        return np.concatenate(self.heard[first:])

    def late_ms(self, heard: np.ndarray) -> float:
        """How long after its capture the last of the heard samples leaves the output."""
        t_left_s = (self.step * N - 1) / RATE_HZ + LATENCY_NS / 1e9
        return 1000 * (t_left_s - float(heard[-1]) * 1e6 / RATE_HZ)


def test_player_when_delay_is_given_then_sound_leaves_the_output_so_much_after_its_capture():
    stage = Stage(delay_ms=100)
    assert stage.late_ms(stage.run(100)) == pytest.approx(100, abs=0.1)
    assert stage.player.buffer.n_underruns == 0
    skew = stage.player.skew.read()
    assert skew.n > 50
    assert max(abs(skew.min_ms), abs(skew.max_ms)) < 0.1


def test_player_when_delay_grows_by_much_then_sound_follows_within_a_second():
    stage = Stage(delay_ms=100)
    stage.run(100)
    stage.delay_ms = 180
    assert stage.late_ms(stage.run(110)) == pytest.approx(180, abs=0.1)
    assert stage.player.delay_ms == pytest.approx(180, abs=0.1)


def test_player_when_devices_are_slower_than_the_pictures_then_steady_sound_that_is_late_and_says_so():
    stage = Stage(delay_ms=5)
    stage.run(200)
    n_before = stage.player.buffer.n_underruns
    heard = stage.run(300)
    assert stage.player.buffer.n_underruns == n_before
    assert stage.late_ms(heard) == pytest.approx(5 + stage.player.late_ms, abs=0.5)
    assert 20 < stage.player.late_ms < 60
    assert stage.player.skew.read().p50_ms == pytest.approx(-stage.player.late_ms, abs=1)


def test_player_when_microphone_pauses_then_one_underrun_silence_and_on_time_again():
    stage = Stage(delay_ms=100)
    stage.run(100)
    silent = stage.run(60, is_mic_on=False)
    assert not silent[-N * 20 :].any()
    assert stage.player.buffer.n_underruns == 1
    assert stage.late_ms(stage.run(100)) == pytest.approx(100, abs=0.1)
    assert stage.player.buffer.n_underruns <= 2


def test_player_when_thread_is_late_by_50_ms_then_nothing_is_missing():
    stage = Stage(delay_ms=150)
    stage.run(100)
    for _ in range(5):
        stage.player.buffer.read(np.zeros((N, 1), np.float32))
    assert stage.player.buffer.n_underruns == 0


def test_buffer_when_empty_then_sound_fades_and_numbers_go_on():
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


def test_follower_when_nothing_is_known_then_late_rather_than_early():
    assert DelayFollower(lambda: None).poll(0) == FIRST_DELAY_NS
    assert DelayFollower(lambda: float("nan")).poll(0) == FIRST_DELAY_NS


def test_follower_when_one_value_is_far_off_then_ignored_and_when_it_lasts_then_taken():
    seen = [ms_to_ns(100)] * 20 + [ms_to_ns(400)] + [ms_to_ns(100)] * 20 + [ms_to_ns(160)] * 10
    values = iter(seen)
    follower = DelayFollower(lambda: next(values))
    used = [follower.poll(k * ms_to_ns(100)) for k in range(len(seen))]
    assert used[:41] == [ms_to_ns(100)] * 41
    assert used[-1] == ms_to_ns(160)


def test_shown_delay_when_a_click_meets_the_next_picture_then_within_the_limits_at_every_rate():
    for fps in (25, 30, 50, 60):
        voice_ms = shown_delay_ns(100, 8, fps) / 1e6
        skews_ms = [108 + wait_ms - voice_ms for wait_ms in np.linspace(0, 1000 / fps, 200)]
        assert Skew.of(skews_ms).is_within_limits


def test_delay_when_no_window_shows_the_picture_then_that_of_the_picture_alone_and_unknown_before_there_is_one():
    assert shown_delay_ns(100, float("nan"), 25) == shown_delay_ns(100, 0, 25)
    assert np.isnan(shown_delay_ns(float("nan"), 8, 25))


@pytest.mark.slow
def test_simulated_eight_hours_when_clocks_differ_by_100_ppm_then_in_sync_and_queue_bounded():
    lived = simulate(Scenario(hours=8, drift_ppm=100, step_ms=100, delay_ns=lambda _: ms_to_ns(420)))
    assert lived.skew.n == 8 * 36_000 - 600
    assert lived.skew.is_within_limits
    assert lived.skew.min_ms > -5 and lived.skew.max_ms < 5
    assert lived.drift_ppm == pytest.approx(100, abs=15)
    assert lived.n_max_waiting <= lived.lead_samples
    assert lived.n_underruns == 0


@pytest.mark.parametrize("drift_ppm", [-300.0, 300.0])
def test_simulated_quarter_of_an_hour_when_pieces_are_as_small_as_in_life_then_in_sync(drift_ppm):
    lived = simulate(Scenario(hours=0.25, drift_ppm=drift_ppm, step_ms=10, delay_ns=lambda _: ms_to_ns(130)))
    assert lived.skew.is_within_limits
    assert lived.skew.min_ms > -3 and lived.skew.max_ms < 3
    assert lived.drift_ppm == pytest.approx(drift_ppm, abs=25)
    assert lived.n_jumps == 0
    assert lived.n_max_waiting <= lived.lead_samples


def test_simulated_play_when_delay_changes_then_little_is_slewed_and_much_jumps_once():
    def after_a_while(first_ms, then_ms):
        return lambda t_ns: ms_to_ns(first_ms if t_ns < 200e9 else then_ms)

    slewed = simulate(Scenario(hours=0.2, step_ms=20, delay_ns=after_a_while(150, 157)))
    jumped = simulate(Scenario(hours=0.2, step_ms=20, delay_ns=after_a_while(150, 230)))
    assert (slewed.n_jumps, jumped.n_jumps) == (0, 1)
    assert slewed.skew.max_ms < 8
    assert jumped.skew.p99_ms < 2


def test_player_when_microphone_was_gone_for_seconds_then_its_output_is_not_called_slow():
    stage = Stage(delay_ms=100)
    stage.run(10)
    stage.run(460, is_mic_on=False)
    # As many looks as the player judges by: one that came after seconds must not be among them.
    stage.run(26)
    assert stage.player.late_ms == pytest.approx(0, abs=0.1)
    assert stage.late_ms(stage.run(100)) == pytest.approx(100, abs=0.1)
