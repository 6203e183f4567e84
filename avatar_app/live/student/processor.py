"""The processor: its name, cores and instruction sets."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# Variables that limit the instruction sets of oneDNN, and with it of OpenVINO and torch.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")

# Widest set first, each with its extensions; names as in /proc/cpuinfo.
SETS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "avx512bw",
        "AVX-512",
        (("avx512_vnni", "VNNI"), ("avx512_bf16", "BF16"), ("avx512_fp16", "FP16"), ("amx_tile", "AMX")),
    ),
    ("avx2", "AVX2", (("avx_vnni", "VNNI"),)),
    ("avx", "AVX", ()),
    ("sse4_2", "SSE4.2", ()),
    ("asimd", "NEON", (("asimddp", "dot product"), ("i8mm", "I8MM"), ("bf16", "BF16"), ("sve", "SVE"))),
)
# numpy, which is used where there is no /proc/cpuinfo, spells some of them differently.
NUMPY_NAMES = {"avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16", "sse42": "sse4_2"}
# Features available under a limit. Other values, such as "ALL" and "DEFAULT", set none.
_AVX2 = frozenset(("sse4_2", "avx", "avx2"))
_AVX512 = _AVX2 | {"avx_vnni", "avx512bw"}
LEFT_BY_LIMIT: dict[str, frozenset[str]] = {
    "SSE41": frozenset(("sse4_2",)),
    "AVX": frozenset(("sse4_2", "avx")),
    "AVX2": _AVX2,
    "AVX2_VNNI": _AVX2 | {"avx_vnni"},
    "AVX2_VNNI_2": _AVX2 | {"avx_vnni"},
    "AVX512_CORE": _AVX512,
    "AVX512_CORE_VNNI": _AVX512 | {"avx512_vnni"},
    "AVX512_CORE_BF16": _AVX512 | {"avx512_vnni", "avx512_bf16"},
    "AVX512_CORE_FP16": _AVX512 | {"avx512_vnni", "avx512_bf16", "avx512_fp16"},
}


def cpu_name() -> str:
    """Name of the processor, as far as the system reports it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instruction_set(environment: Mapping[str, str] = os.environ) -> str:
    """The instruction set as text, such as "AVX-512 with VNNI and BF16", "AVX2" or "NEON with dot product".

    Args:
        environment: may hold a limit, which then is named in the result.
    """
    name, own, left = _limit(environment)[0], _own_features(), features(environment)
    text = described(left)
    return text if text == described(own) else f"{text} (by {name})"


def features(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Features that the engines may use, named as in /proc/cpuinfo."""
    own = _own_features()
    return own & LEFT_BY_LIMIT.get(_limit(environment)[1], own)


def described(flags: frozenset[str]) -> str:
    """Features as text."""
    for flag, title, extras in SETS:
        if flag in flags:
            found = [label for extra, label in extras if extra in flags]
            return f"{title} with {_listed(found)}" if found else title
    return platform.machine() or "unknown"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _limit(environment: Mapping[str, str]) -> tuple[str, str]:
    return next(((name, environment[name].upper()) for name in LIMITS if name in environment), ("", ""))


def _own_features() -> frozenset[str]:
    text = _cpu_info("flags") or _cpu_info("Features")
    if text:
        return frozenset(text.split())
    names = (name.lower() for name, has_it in _known_to_numpy().items() if has_it)
    return frozenset(NUMPY_NAMES.get(name, name) for name in names)


def _known_to_numpy() -> Mapping[str, bool]:
    """Features that numpy detected, which have no public API. The first module is that of numpy 2."""
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        with contextlib.suppress(ImportError):
            known: Mapping[str, bool] = importlib.import_module(module).__cpu_features__
            return known
    return {}


def _cpu_info(key: str) -> str:
    """The first value of a key in /proc/cpuinfo; empty where there is none."""
    with contextlib.suppress(OSError):
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
