"""A live path for a recorder, on a manual clock; and readers of its files with ffprobe and PyAV."""

import json
import subprocess
import time

import av
import numpy as np

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record import VOICE_BLOCKS, Recorder, RecordOptions

DELAY_NS = 120_000_000


def picture_at(t_capture_ns, index=0, value=40, size=(64, 64), alpha=255, is_repeat=False, t_ready_ns=None):
    """A grey picture of height and width `size`."""
    pixels = np.full((*size, 4), value, np.uint8)
    pixels[..., 3] = alpha
    pixels.flags.writeable = False
    t_ready_ns = t_capture_ns + DELAY_NS if t_ready_ns is None else t_ready_ns
    return Picture(t_capture_ns, t_ready_ns, index, pixels, is_repeat)


def voice_at(t_capture_ns, samples, rate_hz=48_000, did_restart=False):
    return VoiceBlock(t_capture_ns, rate_hz, np.asarray(samples, np.float32), did_restart)


class FakeLive:
    """Feeds a recorder with pictures and voice in 10 ms steps, as fast as it accepts them.

    Args:
        folder: of the recordings.
        fps: of pictures and file.
        rate_hz: of the voice, as the program's clock sees it.
        options: more of `RecordOptions`.
    """

    def __init__(self, folder, fps=25, rate_hz=48_000, has_voice=True, open_container=None, size=(64, 64), **options):
        self.clock = ManualClock(7 * NS_PER_S)
        self.notices = NoticeBoard()
        more = {} if open_container is None else {"open_container": open_container}
        self.recorder = Recorder(self.clock, self.notices, **more)
        self.pictures = Latest()
        self.voice = Ring(VOICE_BLOCKS) if has_voice else None
        options.setdefault("keep_free_mb", 0)
        options.setdefault("encoder", "software")
        self.options = RecordOptions(folder=folder, fps=fps, **options)
        self.fps, self.rate_hz, self.size = fps, rate_hz, size
        self.t_start_ns = self.clock.now_ns()
        self.index = 0
        self.t_voice_ns = self.t_start_ns
        self.is_speaking = True
        self.did_restart = True
        self.alpha = 255
        # Seconds of the recording at which a picture is white and its sound a click.
        self.events = ()

    def start(self):
        self.recorder.start(self.options, self.pictures, self.voice)

    def run(self, seconds):
        """Let this much time pass."""
        t_end_ns = self.clock.now_ns() + round(seconds * NS_PER_S)
        while self.clock.now_ns() < t_end_ns:
            self.clock.advance(10_000_000)
            self._speak()
            self._show()

    def second(self, t_ns):
        return (t_ns - self.t_start_ns) / NS_PER_S

    def _speak(self):
        n = self.rate_hz // 100
        if self.is_speaking and self.voice is not None:
            times = self.second(self.t_voice_ns) + np.arange(n) / self.rate_hz
            samples = 0.05 * np.sin(2 * np.pi * 440 * times)
            for event in self.events:
                samples[(times >= event) & (times < event + 0.01)] = 0.9
            self.voice.put(voice_at(self.t_voice_ns, samples, self.rate_hz, self.did_restart))
            self.did_restart = False
        self.t_voice_ns += 10_000_000

    def _show(self):
        while (t_ns := self.t_start_ns + self.index * NS_PER_S // self.fps) + DELAY_NS <= self.clock.now_ns():
            is_white = any(abs(self.second(t_ns) - event) < 0.4 / self.fps for event in self.events)
            self._put(picture_at(t_ns, self.index, 255 if is_white else 30 + self.index % 50, self.size, self.alpha))
            self.index += 1

    def _put(self, picture):
        """Put a picture when the recorder has room for it, because the clock does not run in real time."""
        self.pictures.put(picture)
        recording = self.recorder._current
        wait_until(
            lambda: recording.ended.is_set() or (self.pictures._item is None and len(recording._waiting) < 10),
        )

    def stop(self):
        """End the recording after its last pictures have come."""
        self.recorder.finish()
        self.run(0.3)
        return self.recorder.stop()


def wait_until(is_true, timeout_s=60.0):
    deadline_s = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline_s, "timed out"
        time.sleep(0.001)


def probe(path):
    """The streams of a file by kind, and its format, from ffprobe."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "", done.stderr
    found = json.loads(done.stdout)
    return {s["codec_type"]: s for s in found["streams"]}, found["format"]


def packet_times(path, kind):
    """PTS of the packets as ffprobe lists them, in seconds; `kind` is "v" or "a"."""
    command = ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "json"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    return [float(packet["pts_time"]) for packet in json.loads(done.stdout)["packets"]]


def brightness(path):
    """Time in seconds and mean of luma of every picture."""
    with av.open(str(path)) as file:
        return [(float(f.pts * f.time_base), float(f.to_ndarray(format="gray").mean())) for f in file.decode(video=0)]


def sound(path):
    """Time of the first sample in seconds, and (n,) float32 samples at 48 kHz."""
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
        samples = np.concatenate([f.to_ndarray().mean(axis=0) for f in frames])
        return float(frames[0].pts * frames[0].time_base), samples


def clicks(path, level=0.5, apart_s=0.2):
    """Seconds at which the sound becomes loud."""
    t_first_s, samples = sound(path)
    loud = np.flatnonzero(np.abs(samples) > level) / 48_000 + t_first_s
    return [t for i, t in enumerate(loud) if i == 0 or t - loud[i - 1] > apart_s]


def flashes(path, level=200):
    """Seconds at which a picture becomes white."""
    shown = brightness(path)
    return [t for (t, value), before in zip(shown, [(0, 0), *shown], strict=False) if value > level > before[1]]
