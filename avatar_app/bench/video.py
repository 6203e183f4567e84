"""Speed of `avatar-app render`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from avatar_app.progress import ProgressBar
from avatar_app.render import RenderJob, render
from avatar_app.settings.paths import ProfilePaths, demo_sample
from avatar_app.settings.schema import Settings


def measure(settings: Settings, paths: ProfilePaths) -> dict[str, Any]:
    """Render the demo sample at 25 fps.

    Raises:
        UserError: it cannot be rendered.
    """
    with tempfile.TemporaryDirectory() as folder:
        job = RenderJob(demo_sample(), Path(folder) / "demo.mp4", settings.replace(fps=25), paths, background="#404040")
        result = render(job, ProgressBar(io.StringIO()))
    return {
        "n_pictures": result.n_pictures,
        "took_s": round(result.took_s, 2),
        "real_time_ratio": round(result.real_time_ratio, 2),
        "codec": result.codec,
    }
