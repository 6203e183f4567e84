"""A real sound server with a microphone that a test speaks into."""

import os
import shutil
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"


class PulseAudio:
    """A server of the test's own, with a null sink whose monitor is the default microphone."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / ".asoundrc").write_text(ASOUNDRC)
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        self.variables = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "HOME": str(self.home)}
        self.variables.pop("PULSE_SERVER", None)
        self._server = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=true",
             "-L", "module-native-protocol-unix",
             "-L", "module-null-sink sink_name=speech rate=48000"],
            env=self.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait_until_it_answers()
        self.control("set-default-source", "speech.monitor")

    def control(self, *words: str) -> str:
        done = subprocess.run(
            ["pactl", *words], env=self.variables, capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout

    def speak(self, sound: Path, *, again: bool = False) -> subprocess.Popen:
        """Play a file into the microphone, once or until the player is ended."""
        play = f"paplay --device=speech '{sound}'"
        command = ["sh", "-c", f"while {play}; do :; done"] if again else ["sh", "-c", f"exec {play}"]
        return subprocess.Popen(command, env=self.variables)

    def unplug(self, sink: str = "") -> None:
        """Take a null sink away, or all of them."""
        lines = self.control("list", "short", "modules").splitlines()
        numbers = [line.split()[0] for line in lines if "module-null-sink" in line and sink in line]
        for number in numbers:
            self.control("unload-module", number)

    def hum(self, file: Path, sink: str) -> subprocess.Popen:
        """Play a tone of ten minutes to a sink."""
        with wave.open(str(file), "wb") as tone:
            tone.setparams((1, 2, 8_000, 0, "NONE", ""))
            swing = np.sin(2 * np.pi * 400 * np.arange(8_000) / 8_000)
            tone.writeframes((12_000 * swing).astype("<i2").tobytes() * 600)
        return subprocess.Popen(["paplay", f"--device={sink}", str(file)], env=self.variables)

    def add_sink(self, name: str, description: str = "") -> None:
        """A null sink: what is played to it can be heard from its monitor."""
        shown = [f"sink_properties='device.description=\"{description}\"'"] if description else []
        self.control("load-module", "module-null-sink", f"sink_name={name}", "rate=48000", *shown)

    def plug_in(self) -> None:
        self.control("load-module", "module-null-sink", "sink_name=speech", "rate=48000")
        self.control("set-default-source", "speech.monitor")

    def stop(self) -> None:
        self._server.terminate()
        self._server.wait(10)

    def _wait_until_it_answers(self) -> None:
        t_limit_s = time.monotonic() + 20
        while time.monotonic() < t_limit_s:
            done = subprocess.run(["pactl", "info"], env=self.variables, capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.1)
        self.stop()
        pytest.skip("PulseAudio does not start here")


@pytest.fixture
def pulse(tmp_path):
    missing = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    if missing or not sys.platform.startswith("linux"):
        pytest.skip(f"PulseAudio's {', '.join(missing) or 'Linux'} is missing")
    server = PulseAudio(tmp_path)
    yield server
    server.stop()
