"""The placeholder of the page while there is no picture: it is transparent, so OBS shows the scene behind it.

Two cases need it: the program runs but the avatar is stopped, and the page has lost its connection to the program.
"""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Picture

# The page runs this when the connection closes. A frozen face would look like an error of the stream.
PLACEHOLDER_SCRIPT = """function showPlaceholder() {
  context.clearRect(0, 0, canvas.width, canvas.height);
}"""


def placeholder_picture(shape: tuple[int, ...]) -> Picture:
    """The picture that the server sends once when the avatar is stopped: fully transparent.

    Args:
        shape: (H, W, 4) of the pictures before it, so that the page keeps its size.
    """
    return Picture(0, 0, 0, np.zeros(shape, np.uint8))
