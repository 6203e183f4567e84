"""How well an avatar speaks, in words."""

from __future__ import annotations

from dataclasses import dataclass

# Correlation of the opening of the lips with the video from which they "follow well", and below which they do not.
GOOD_OPENING, POOR_OPENING = 0.75, 0.55
GOOD_SHARPNESS = 0.8
GOOD_CLOSED_RATIO = 0.9
# Fewer closings say nothing about the ratio.
MIN_CLOSINGS = 4
MAX_REST_MOTION = 0.05
# Below this distance between the eyes the video has less detail than the avatar can show.
SMALL_EYES_PX = 90.0


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """Measures on held-out sentences of the person.

    Attributes:
        opening_correlation: correlation of the opening of the lips with the video, at the best look-ahead.
        closed_ratio: share of closings of the lips (p, b, m) that the avatar shows.
        n_closings: how many there were.
        sharpness: Laplacian variance of the mouth, relative to the video.
        rest_motion: motion of the mouth in silence, relative to speech.
        eyes_px: distance between the outer corners of the eyes in the video.
    """

    opening_correlation: float
    closed_ratio: float
    n_closings: int
    sharpness: float
    rest_motion: float
    eyes_px: float


def in_words(figures: PersonFigures) -> list[str]:
    """A sentence about each measure, with advice where a better recording helps."""
    return [_lips(figures), *_closings(figures), _teeth(figures), *_rest(figures)]


def _lips(figures: PersonFigures) -> str:
    if figures.opening_correlation >= GOOD_OPENING:
        return "The lips follow the voice well."
    if figures.opening_correlation >= POOR_OPENING:
        return "The lips follow the voice. A longer recording makes them more exact."
    return "The lips follow the voice poorly. Record again in a quiet room, close to the microphone."


def _closings(figures: PersonFigures) -> list[str]:
    if figures.n_closings < MIN_CLOSINGS or figures.closed_ratio >= GOOD_CLOSED_RATIO:
        return []
    missed = 100 * (1 - figures.closed_ratio)
    return [f"The lips stay a little open in {missed:.0f} % of p, b and m. Speak more clearly in the next recording."]


def _teeth(figures: PersonFigures) -> str:
    if figures.sharpness >= GOOD_SHARPNESS:
        return "Lips and teeth are as sharp as in the video."
    advice = "Sit closer to the camera" if figures.eyes_px < SMALL_EYES_PX else "Record with more light"
    return f"Lips and teeth are a little soft. {advice} in the next recording."


def _rest(figures: PersonFigures) -> list[str]:
    if figures.rest_motion <= MAX_REST_MOTION:
        return []
    return ["The mouth moves a little in silence. Turn noise suppression on, or record in a quieter room."]
