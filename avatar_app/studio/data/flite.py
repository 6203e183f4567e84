"""flite, a speech synthesizer: a separate program that also knows how English words are pronounced."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.mouth import Phone

TIMEOUT_S = 60
# flite's phones that the alignment's dictionary writes otherwise.
CMU_NAMES = {"ax": "ah", "axr": "er", "dx": "d", "en": "n", "el": "l", "em": "m"}
SILENT = ("pau", "h#", "brth", "sil")


class Flite:
    """Speaks texts and pronounces words. Thread: any.

    Raises:
        StudioError: flite is not installed.
    """

    def __init__(self) -> None:
        program = shutil.which("flite")
        if program is None:
            raise StudioError(
                "The program flite is not installed.", "Install it, on Debian and Ubuntu with: sudo apt install flite"
            )
        self._program = program

    @staticmethod
    def is_installed() -> bool:
        """Whether the program is there."""
        return shutil.which("flite") is not None

    def speak(self, text: str, voice: str, wav: Path, duration_ratio: float | None = None) -> tuple[Phone, ...]:
        """Write speech to a 16 kHz WAV file.

        Args:
            text: what to say.
            voice: a voice of flite.
            wav: the file.
            duration_ratio: length of the phones; the default of the voice when None.

        Returns:
            The phones in order; their times are exact.

        Raises:
            StudioError: flite failed.
        """
        speed = [] if duration_ratio is None else ["--setf", f"duration_stretch={duration_ratio}"]
        printed = self._run(["-voice", voice, *speed, "-t", text, "-psdur", "-o", str(wav)])
        phones, start_s = [], 0.0
        for item in printed.split():
            name, end_s = item.rsplit(":", 1)
            phones.append(Phone(name, start_s, float(end_s)))
            start_s = float(end_s)
        return tuple(phones)

    def pronounce(self, word: str) -> tuple[str, ...]:
        """The phones of a word, by letter-to-sound rules: lower case, in the names of the CMU dictionary.

        Raises:
            StudioError: flite failed.
        """
        names = self._run(["-t", word, "-ps", "-o", "none"]).split()
        return tuple(CMU_NAMES.get(name, name) for name in names if name not in SILENT)

    def _run(self, words: Sequence[str]) -> str:
        try:
            return subprocess.run(  # noqa: S603 - flite with our own texts
                [self._program, *words], check=True, capture_output=True, text=True, timeout=TIMEOUT_S
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise StudioError(f"flite failed: {error}.", "Install it again, then give the same command.") from error
