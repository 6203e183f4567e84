"""Random test of the real window on a busy machine, with a microphone and a viewer.

`.venv/bin/python -m tests.device.random_soak MINUTES [SEED]` prints the figures as JSON; Linux with PulseAudio. It
detects errors of the program, a device that is open while the window shows *Stopped*, and recordings that are missing,
cut off, without sound, or with a gap between pictures.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from avatar_app import app
from avatar_app.bench import browser
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.logs import start_logging
from avatar_app.settings import store
from avatar_app.settings.paths import ProfilePaths, demo_sample
from avatar_app.settings.schema import Settings
from avatar_app.settings.secret import secret
from tests.device.child import at
from tests.device.conftest import PulseAudio

MODULE = "tests.device.random_soak"
PORT = 18_977
N_BUSY_LOOPS = 2
CHANGES = {
    "fps": (25, 30, 50, 60),
    "lookahead_ms": (0, 40, 80, 160),
    "precision": ("auto", "int8", "mixed", "fp32"),
    "model": ("", "nova-96", "nova-hd"),
    "mic": ("", "default, ALSA", "demo"),
    "mic_gain_db": (-6.0, 0.0, 6.0),
    "is_muted": (True, False, False),
    "background": ("checker", "colour"),
    "background_colour": ("#102030", "#d0d0d0"),
    "is_auto_gain_on": (True, False),
    "has_badge": (True, False),
    "is_hud_visible": (True, False),
    "is_panel_visible": (True, False),
    "theme": ("light", "dark"),
    "is_mirrored": (True, False),
}
SHARES = {"change": 0.7, "stop": 0.06, "record": 0.14, "snapshot": 0.04, "mic": 0.05, "panic": 0.01}
ERROR_LINE = re.compile(r'"level": "(error|critical)"|Traceback')
LISTENERS = ("pactl", "list", "short", "source-outputs")


class Presser:
    """Presses buttons at random. Thread: main.

    Args:
        seconds: until it closes the window.
        seed: of the random choices.
    """

    def __init__(self, seconds: float, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        self._t_end_s = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        """Find the window, and wait for the first picture."""
        from avatar_app.gui.window import Window

        self._window = next(one for one in QApplication.topLevelWidgets() if isinstance(one, Window))
        QTimer.singleShot(2000, self._window, self._press)

    def _press(self) -> None:
        if time.monotonic() > self._t_end_s:
            self._window.close()
            return
        if self._window.commands.is_running:
            what = str(self._chance.choice(list(SHARES), p=list(SHARES.values())))
        else:
            self._check_stopped()
            what = "start"
        self.counts[what] += 1
        self._actions()[what]()
        QTimer.singleShot(round(1000 * self._chance.uniform(0.1, 3.0)), self._window, self._press)

    def _actions(self) -> dict[str, Callable[[], object]]:
        commands = self._window.commands
        return {
            "start": lambda: commands.set_running(True),
            "stop": lambda: commands.set_running(False),
            "change": lambda: commands.change(self._some_changes()),
            "record": commands.toggle_recording,
            "snapshot": commands.take_snapshot,
            "mic": commands.refresh_mic,
            "panic": commands.panic,
        }

    def _some_changes(self) -> dict[str, Any]:
        names = self._chance.choice(sorted(CHANGES), self._chance.integers(1, 4), replace=False)
        return {str(name): CHANGES[name][self._chance.integers(len(CHANGES[name]))] for name in names}

    def _check_stopped(self) -> None:
        """Check that no device is open while the window shows Stopped."""
        if self._window.view.caption != "Stopped":
            return
        done = subprocess.run(LISTENERS, capture_output=True, text=True, check=True)
        self.counts["looks while stopped"] += 1
        self.counts["open while stopped"] += bool(done.stdout.strip())


def drive(profile: Path, recordings: Path, seconds: float, seed: int) -> int:
    """In the child process: run the program and the random presses."""
    start_logging(is_json=True)
    paths, board, presser = ProfilePaths(profile), NoticeBoard(), Presser(seconds, seed)
    wanted = Settings(mic="default, ALSA", is_browser_on=True, browser_port=PORT, record_folder=str(recordings))
    store.save(paths, wanted, board)
    application = QApplication([sys.argv[0]])
    QTimer.singleShot(0, application, presser.begin)
    code = app.run(wanted, paths, notices=board)
    sys.stdout.write(json.dumps({"code": code, "counts": presser.counts}) + "\n")
    return code


def recording_figures(file: Path) -> dict:
    """Length, the longest gap between two pictures in periods, and how loud the sound is."""
    t_s: list[float] = []
    loudest, n_samples = 0.0, 0
    with av.open(str(file)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        period_s = float(1 / video.average_rate)
        for packet in container.demux(video, audio):
            if packet.stream is video and packet.pts is not None:
                t_s.append(float(packet.pts * packet.time_base))
            elif packet.stream is audio:
                for frame in packet.decode():
                    loudest = max(loudest, float(np.abs(frame.to_ndarray()).max()))
                    n_samples += frame.samples
        rate_hz = audio.rate
    t_s.sort()
    gap = max(np.diff(t_s), default=0.0) / period_s
    return {
        "seconds": round(t_s[-1] - t_s[0] + period_s, 2),
        "sound_s": round(n_samples / rate_hz, 2),
        "longest_gap": round(float(gap), 2),
        "loudest": round(loudest, 3),
    }


def run(minutes: float, seed: int, n_busy_loops: int = N_BUSY_LOOPS) -> dict:
    """In the parent process: start sound server, speech, load and viewer, and return the figures."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        recordings, profile = folder / "recordings", folder / "profile"
        recordings.mkdir()
        pulse = PulseAudio(folder)
        stack.callback(pulse.stop)
        speech = f"while true; do paplay --device=speech {demo_sample()}; done"
        loads = [["sh", "-c", speech], *[[sys.executable, "-c", "while True: pass"]] * n_busy_loops]
        for words in loads:
            child = subprocess.Popen(words, env=pulse.variables, start_new_session=True)
            stack.callback(child.wait, 10)
            stack.callback(os.killpg, child.pid, 9)
        words = [
            sys.executable,
            "-m",
            "tests.device.random_soak",
            "drive",
            str(profile),
            str(recordings),
            str(60 * minutes),
            str(seed),
        ]
        with (folder / "log").open("w+", encoding="utf-8") as log:
            program = subprocess.Popen(words, env=at(pulse), stdout=subprocess.PIPE, stderr=log, text=True)
            viewer = _viewer(ProfilePaths(profile), program, Path(log.name))
            out, _ = program.communicate(timeout=60 * minutes + 120)
            log.seek(0)
            lines = log.read().splitlines()
        n_seen = len(json.loads(viewer.communicate(timeout=30)[0])[0])
        listeners = pulse.control(*LISTENERS[1:]).strip()
        found = {file.name: recording_figures(file) for file in sorted(recordings.glob("*.mp4"))}
        answer = json.loads(out.splitlines()[-1]) if program.returncode == 0 else {"code": program.returncode}
        return {
            **answer,
            "errors": [line for line in lines if ERROR_LINE.search(line)],
            "n_seen_by_viewer": n_seen,
            "open_at_the_end": listeners,
            "n_recordings": len(found),
            "recorded_s": round(sum(recording["seconds"] for recording in found.values()), 1),
            "with_a_gap": {name: recording for name, recording in found.items() if recording["longest_gap"] > 1.5},
            "unfinished": [file.name for file in recordings.iterdir() if file.suffix not in (".mp4", ".png")],
            "sound_differs": {n: f for n, f in found.items() if abs(f["sound_s"] - f["seconds"]) > 0.2},
            "recordings": found,
        }


def _viewer(paths: ProfilePaths, program: subprocess.Popen, log: Path) -> subprocess.Popen:
    token, t_limit_s = paths.state_dir / "browser-token", time.monotonic() + 60
    while not token.exists() and program.poll() is None and time.monotonic() < t_limit_s:
        time.sleep(0.1)
    url = f"http://127.0.0.1:{PORT}/?token={secret(token)}"
    while time.monotonic() < t_limit_s:
        if program.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            break
        time.sleep(0.2)
    return browser.start_viewers(url, 1)


if __name__ == "__main__":
    if sys.argv[1] == "drive":
        raise SystemExit(drive(Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))
    found = run(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 18)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
