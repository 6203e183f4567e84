"""Facts about this machine, for reports and figures."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from avatar_app import __version__
from avatar_app.live.student.processor import cpu_name, instruction_set, n_cores

PACKAGES = ("openvino", "onnxruntime", "onnxruntime-gpu", "numpy", "opencv-python-headless", "PySide6-Essentials")


def facts() -> dict[str, Any]:
    """The machine, the version of the program and those of its packages."""
    packages = {name: found for name in PACKAGES if (found := package_version(name))}
    return {"program": __version__, **hardware(), "packages": packages}


def hardware() -> dict[str, Any]:
    """Processor, instruction set, cores, memory, system and version of Python."""
    return {
        "cpu": cpu_name(),
        "instruction_set": instruction_set(),
        "n_cores": n_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def package_version(name: str) -> str:
    """Version of a package; "" if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
