import threading

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.voice.skew import Skew
from tests.fakes.clapper import ClapDetector, ClapMic, ClapPictures, clap_skew

FPS = 25


def mic_steps(clock: ManualClock, n_steps: int, every_s: float = 1.013) -> tuple[ClapMic, Ring]:
    """A microphone after some steps of 10 ms."""
    fan = Fan()
    ring = fan.add(10_000)
    mic = ClapMic(fan, clock, NoticeBoard(), every_s)
    mic._t_start_ns = clock.now_ns()
    for _ in range(n_steps):
        mic._step(threading.Event())
    return mic, ring


def test_detector_when_claps_are_played_then_their_instants():
    clock = ManualClock(s_to_ns(5))
    _, ring = mic_steps(clock, 420)
    detector = ClapDetector()
    detector.drain(ring)
    played_s = np.array(detector.played_ns) / 1e9
    assert played_s == pytest.approx(5 + 1.013 * np.arange(1, 5), abs=1e-4)


def test_detector_when_a_clap_echoes_then_counted_once():
    detector = ClapDetector()
    sound = np.zeros(48_000, np.float32)
    sound[[4800, 9600, 14_000, 40_000]] = 0.5
    detector.note(VoiceBlock(0, 48_000, sound))
    assert list(detector.played_ns) == pytest.approx([100e6, 40_000 / 48_000 * 1e9], abs=1)


def test_pictures_when_a_clap_is_due_then_one_is_white_after_the_delay():
    clock = ManualClock(s_to_ns(5))
    mic, _ = mic_steps(clock, 420)
    picture_clock = ManualClock(s_to_ns(5))
    pictures = ClapPictures(mic, picture_clock, NoticeBoard(), delay_ms=120, fps=FPS)
    pictures._t_start_ns, pictures._t_shown_until_ns = s_to_ns(5), s_to_ns(5) - ms_to_ns(120)
    for _ in range(FPS * 4 + 10):
        pictures._step(threading.Event())
    waits_ms = (np.array(pictures.detector.shown_ns) / 1e9 - 5 - 1.013 * np.arange(1, 5)) * 1e3
    assert ((waits_ms >= 120) & (waits_ms <= 160)).all()
    assert pictures.delay_ns() == pytest.approx(ms_to_ns(120 + 0.75 * 1000 / FPS))


def test_skew_when_sound_comes_first_then_positive():
    shown_ns = [s_to_ns(k) for k in range(1, 101)]
    played_ns = [t_ns - ms_to_ns(30 if k == 50 else 5) for k, t_ns in enumerate(shown_ns)]
    skew = clap_skew(shown_ns, played_ns)
    assert (skew.n, skew.p50_ms, skew.max_ms) == (100, 5, 30)
    assert skew.is_within_limits


def test_skew_when_a_clap_was_not_shown_then_left_out():
    assert clap_skew([s_to_ns(1)], [s_to_ns(1), s_to_ns(2)]).n == 1
    assert clap_skew([], [s_to_ns(1)]).n == 0


@pytest.mark.parametrize(("ahead_ms", "is_within"), [(14, True), (16, False), (-44, True), (-46, False)])
def test_limits_when_sound_leads_or_lags_then_as_in_the_standard(ahead_ms, is_within):
    assert Skew.of([ahead_ms] * 10).is_within_limits is is_within
