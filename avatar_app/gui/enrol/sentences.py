"""The sentences of the teleprompter: one set for each language, which covers all its sounds in about 45 seconds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).with_name("sentences")
COMMENT = "#"
# By the language's own name; the codes of ISO 639-1.
LANGUAGES = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pt": "Português",
    "it": "Italiano",
}
DEFAULT_LANGUAGE = "en"
# Read aloud, with a short breath at the end.
CHARACTERS_PER_S = 16.0
BREATH_S = 0.6


@lru_cache
def sentences_of(language: str) -> tuple[str, ...]:
    """The sentences of a language, in order."""
    lines = (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith(COMMENT))


def reading_s(sentence: str) -> float:
    """About how long it takes to read a sentence aloud."""
    return len(sentence) / CHARACTERS_PER_S + BREATH_S


def language_of(locale: str) -> str:
    """The language of a locale such as `de_AT`; English where there are no sentences."""
    code = locale[:2].lower()
    return code if code in LANGUAGES else DEFAULT_LANGUAGE
