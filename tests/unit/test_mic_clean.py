"""Noise suppression and automatic gain, with the built-in sample and with noise."""

import time

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import MissingExtraError, SettingsError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import AudioBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.frame import SpeechGate
from avatar_app.live.mic import Cleaning, open_mic
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.mic.auto_gain import LIMIT, TARGET_DB, AutoGain
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.clean import Cleaner
from avatar_app.live.mic.level import Level
from avatar_app.live.mic.suppress import SHIFT_SAMPLES, NoiseSuppressor
from avatar_app.settings.paths import demo_sample

T_NS = 7 * NS_PER_S
RATE_HZ = 16_000
BLOCK = 160


@pytest.fixture
def package():
    return pytest.importorskip("pywebrtc_audio", reason="the clean extra is not installed")


@pytest.fixture(scope="module")
def speech():
    return read_audio(demo_sample())


@pytest.fixture(scope="module")
def active(speech):
    """Which blocks of 10 ms hold speech."""
    return levels_db(speech) > -45


def noise(n, level_db, seed=0):
    """Pink noise, as of a fan, (n,) float32."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=n))
    sound = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), n)
    return (10 ** (level_db / 20) * sound / sound.std()).astype(np.float32)


def levels_db(sound):
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-12)


def snr_db(sound, reference, where):
    n = min(len(sound), len(reference)) // BLOCK * BLOCK
    error, power = (
        np.square(s[:n]).reshape(-1, BLOCK)[where[: n // BLOCK]].sum() for s in (sound[:n] - reference[:n], reference)
    )
    return 10 * np.log10(power / error)


def in_pieces(stage, sound, seed=1):
    rng, pieces, at = np.random.default_rng(seed), [], 0
    while at < len(sound):
        n = int(rng.integers(0, 700))
        pieces.append(stage.feed(sound[at : at + n]))
        at += n
    return np.concatenate(pieces)


@pytest.mark.parametrize("cleaning", [Cleaning("mild"), Cleaning("strong", True), Cleaning("off", True), Cleaning()])
def test_clean_when_fed_in_pieces_then_as_fed_whole(package, speech, cleaning):
    noisy = speech + noise(len(speech), -35)
    whole, pieces = Cleaner(cleaning).feed(noisy), in_pieces(Cleaner(cleaning), noisy)
    n = min(len(whole), len(pieces))
    assert n > len(noisy) - 2 * BLOCK - SHIFT_SAMPLES
    np.testing.assert_array_equal(whole[:n], pieces[:n])


@pytest.mark.parametrize("strength", ["mild", "strong"])
def test_suppressor_when_a_click_is_fed_then_its_time_is_unchanged(package, strength):
    suppressor = NoiseSuppressor(strength)
    sound = np.zeros(RATE_HZ, np.float32)
    sound[[5000, 9037]] = 0.8
    clean = suppressor.feed(sound)
    assert suppressor.lookahead_ms == 6.0
    for at in (5000, 9037):
        around = np.abs(clean[at - 400 : at + 400])
        assert int(around.argmax()) - 400 == 0
    assert len(clean) == len(sound) - SHIFT_SAMPLES


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_click_when_sound_is_cleaned_then_its_block_has_its_instant(package, rate_hz):
    chain = SoundChain(rate_hz, Level(rate_hz), cleaning=Cleaning("strong", has_auto_gain=True))
    samples = np.zeros((rate_hz, 1), np.float32)
    at = int(0.637 * rate_hz)
    samples[at] = 1.0
    blocks = []
    for start in range(0, rate_hz, rate_hz // 100):
        blocks += chain.feed(samples[start : start + rate_hz // 100], T_NS + start * NS_PER_S // rate_hz)
    loudest = max(blocks, key=lambda block: np.abs(block.samples).max())
    t_click_ns = loudest.t_capture_ns + int(np.abs(loudest.samples).argmax()) * NS_PER_S // RATE_HZ
    assert abs(t_click_ns - (T_NS + at * NS_PER_S // rate_hz)) < 200_000
    assert len(blocks) >= 97  # at most 6 ms and one block are held back


@pytest.mark.parametrize(("strength", "least_db", "pause_db"), [("mild", 2.5, 6), ("strong", 2.5, 8)])
def test_suppressor_when_speech_is_noisy_then_snr_rises(package, speech, active, strength, least_db, pause_db):
    level_db = 10 * np.log10(np.square(speech.reshape(-1)[: len(active) * BLOCK].reshape(-1, BLOCK)[active]).mean()) - 5
    noisy = speech + noise(len(speech), level_db)
    clean = NoiseSuppressor(strength).feed(noisy)
    known = active.copy()
    known[:200] = False  # the suppressor adapts to the noise for two seconds
    assert snr_db(noisy, speech, known) == pytest.approx(5, abs=1)
    assert snr_db(clean, speech, known) > 5 + least_db
    pauses = ~active[200 : len(clean) // BLOCK]
    before, after = (np.median(levels_db(s)[200 : len(clean) // BLOCK][pauses]) for s in (noisy, clean))
    assert before - after > pause_db


def test_suppressor_when_speech_has_no_noise_then_hardly_changed(package, speech, active):
    clean = NoiseSuppressor("mild").feed(speech)
    before, after = (
        levels_db(s)[100 : len(clean) // BLOCK][active[100 : len(clean) // BLOCK]] for s in (speech, clean)
    )
    assert np.median(np.abs(after - before)) < 1.5


@pytest.mark.parametrize("cleaning", [Cleaning("mild"), Cleaning("strong", True), Cleaning("off", True)])
def test_gate_when_nobody_speaks_then_as_closed_as_without_cleaning(package, cleaning):
    for sound in (np.zeros(5 * RATE_HZ, np.float32), noise(5 * RATE_HZ, -60), noise(5 * RATE_HZ, -40)):
        assert openness(Cleaner(cleaning).feed(sound)).max() <= openness(sound).max()


@pytest.mark.parametrize("cleaning", [Cleaning("mild"), Cleaning("strong", True), Cleaning("off", True)])
def test_gate_when_somebody_speaks_then_opens_as_without_cleaning(package, speech, cleaning):
    raw, clean = openness(speech), openness(Cleaner(cleaning).feed(speech))
    n = min(len(raw), len(clean))
    assert np.mean((raw[:n] > 0.5) == (clean[:n] > 0.5)) > 0.9


def openness(sound):
    return np.array(SpeechGate().feed(AudioBlock(0, 0, sound, did_restart=True)))


@pytest.mark.parametrize("before", [Cleaning(), Cleaning("mild"), Cleaning("strong", True)])
@pytest.mark.parametrize("after", [Cleaning(), Cleaning("mild"), Cleaning("strong", True)])
def test_cleaning_when_changed_in_a_running_stream_then_no_sample_is_lost_or_moved(package, before, after):
    chain = SoundChain(RATE_HZ, Level(RATE_HZ), cleaning=before)
    clicks = [4321, 20_345]
    samples = np.zeros((2 * RATE_HZ, 1), np.float32)
    samples[clicks] = 0.8
    blocks = []
    for start in range(0, len(samples), 130):
        if start == 130 * 90:
            chain.set_cleaning(after)
        blocks += chain.feed(samples[start : start + 130], T_NS + start * NS_PER_S // RATE_HZ)
    sound = np.concatenate([block.samples for block in blocks])
    assert [block.index for block in blocks] == list(range(0, len(sound), BLOCK))
    for at in clicks:
        assert int(np.abs(sound[at - 300 : at + 300]).argmax()) == 300


def test_suppressor_when_flushed_then_returns_as_many_samples_as_it_took(package):
    for n in (0, 50, 160, 200, 500, 1600):
        suppressor = NoiseSuppressor("mild")
        n_given = len(suppressor.feed(np.zeros(n, np.float32))) + len(suppressor.flush())
        assert n_given == n


def spoken(speech, gain_db, n_repeats=4):
    return np.tile(np.clip(speech * 10 ** (gain_db / 20), -1, 1), n_repeats).astype(np.float32)


@pytest.mark.parametrize("gain_db", [-24, -12, 0, 6])
def test_auto_gain_when_microphone_is_soft_or_loud_then_speech_reaches_the_target(speech, active, gain_db):
    sound = spoken(speech, gain_db)
    level_db = levels_db(AutoGain().feed(sound))
    repeated = levels_db(spoken(speech, 0)) > -45
    last = level_db[-len(active) :][repeated[-len(active) :]]
    assert 10 * np.log10(np.mean(10 ** (last / 10))) == pytest.approx(TARGET_DB, abs=3)


def test_auto_gain_when_settled_then_does_not_pump(speech):
    auto_gain, gains_db = AutoGain(), []
    sound = spoken(speech, -12)
    for start in range(0, len(sound), BLOCK):
        auto_gain.feed(sound[start : start + BLOCK])
        gains_db.append(auto_gain.gain_db)
    settled = np.array(gains_db[len(gains_db) // 2 :])
    assert np.ptp(settled) < 2
    assert np.abs(np.diff(settled)).max() <= 0.12 + 1e-9  # at most 12 dB per second


def test_auto_gain_when_sound_is_far_too_loud_then_stays_below_the_limit():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    loud = np.sign(np.sin(2 * np.pi * 180 * t)).astype(np.float32)
    assert np.abs(AutoGain().feed(loud)).max() <= LIMIT
    soft = 0.5 * loud
    np.testing.assert_array_equal(AutoGain().feed(soft[:BLOCK]), soft[:BLOCK])  # unchanged below the knee


@pytest.mark.parametrize("level_db", [-75, -60, -45, -30])
def test_auto_gain_when_there_is_only_noise_then_it_is_not_raised(level_db):
    sound = noise(20 * RATE_HZ, level_db)
    out = AutoGain().feed(sound)
    assert np.abs(levels_db(out) - levels_db(sound)).max() < 1


@pytest.mark.parametrize("n_silent_s", [0, 3])
def test_auto_gain_when_there_is_mains_hum_then_it_is_not_raised(n_silent_s):
    t = np.arange(20 * RATE_HZ) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 100 * k * t) / k for k in range(1, 6)) * 10 ** (-47 / 20)
    auto_gain = AutoGain()
    auto_gain.feed(np.concatenate((np.zeros(n_silent_s * RATE_HZ), hum)).astype(np.float32))
    assert auto_gain.gain_db < 4


def test_auto_gain_when_a_pause_follows_soft_speech_then_gain_is_constant(speech):
    auto_gain = AutoGain()
    auto_gain.feed(spoken(speech, -15))
    gain_db = auto_gain.gain_db
    auto_gain.feed(np.zeros(30 * RATE_HZ, np.float32))
    auto_gain.feed(noise(10 * RATE_HZ, -62))
    assert auto_gain.gain_db == pytest.approx(gain_db, abs=0.5)
    assert gain_db > 6


def test_auto_gain_when_room_is_noisy_then_its_noise_is_not_raised(speech):
    auto_gain = AutoGain()
    auto_gain.feed(spoken(speech, -15) + noise(4 * len(speech), -52))
    assert auto_gain.gain_db < 8


def test_cleaning_when_strength_is_unknown_then_error_names_the_known_ones():
    with pytest.raises(SettingsError, match="off, mild, strong"):
        Cleaning("brutal")


def test_cleaning_when_package_is_missing_then_error_names_the_extra_and_auto_gain_still_works(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pywebrtc_audio", None)
    with pytest.raises(MissingExtraError, match=r"\[clean\]"):
        Cleaner(Cleaning("mild"))
    Cleaner(Cleaning(has_auto_gain=True))
    chain = SoundChain(RATE_HZ, Level(RATE_HZ))
    with pytest.raises(MissingExtraError):
        chain.set_cleaning(Cleaning("mild"))
    assert chain.feed(np.zeros((320, 1), np.float32), T_NS)


def wait_for(condition, timeout_s=20.0):
    t_end_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < t_end_s:
        time.sleep(0.001)
    return condition()


def test_file_mic_when_cleaned_then_blocks_in_order_and_cleaning_can_change(package):
    clock, ring = ManualClock(T_NS), Ring(1_000_000)
    mic = open_mic("demo", clock, NoticeBoard(), cleaning=Cleaning("mild", has_auto_gain=True))
    mic.start(ring)
    assert wait_for(lambda: len(ring) >= 300)
    mic.set_cleaning(Cleaning())
    n = len(ring)
    assert wait_for(lambda: len(ring) >= n + 300)
    mic.stop()
    blocks = list(iter(ring.take, None))
    assert [block.index for block in blocks] == [BLOCK * k for k in range(len(blocks))]
    assert {block.t_capture_ns - T_NS - 10_000_000 * k for k, block in enumerate(blocks)} <= {-1, 0, 1}
    sound = np.concatenate([block.samples for block in blocks])
    speech = np.tile(read_audio(demo_sample()), 1 + len(sound) // 190_000)
    last = slice(len(sound) - 20 * BLOCK, len(sound))
    np.testing.assert_allclose(sound[last], speech[last], atol=1e-6)
    assert not np.allclose(sound[16_000:32_000], speech[16_000:32_000], atol=1e-3)
