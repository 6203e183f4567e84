"""Which processor this is, and what it computes in."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# What keeps oneDNN, and with it OpenVINO and torch, from using all that the processor has.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")

# The widest set comes first; each with what can come with it, as Linux names it.
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
# numpy spells some of them otherwise; it knows them where there is no /proc/cpuinfo.
NUMPY_NAMES = {"avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16", "sse42": "sse4_2"}
# What is left under a limit. A limit that is not here sets none, as "ALL" and "DEFAULT".
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
    """The processor's name, as well as the system knows it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instruction_set(environment: Mapping[str, str] = os.environ) -> str:
    """What the processor computes in, as in "AVX-512 with VNNI and BF16", "AVX2" or "NEON with dot product".

    Args:
        environment: a limit that is set there for the networks' arithmetic counts, and is named.
    """
    name, own, left = _limit(environment)[0], _own_features(), features(environment)
    words = described(left)
    return words if words == described(own) else f"{words} (by {name})"


def features(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """What the networks' arithmetic may use, as Linux names it."""
    own = _own_features()
    return own & LEFT_BY_LIMIT.get(_limit(environment)[1], own)


def described(flags: frozenset[str]) -> str:
    """Features, as Linux names them, in words."""
    for flag, title, extras in SETS:
        if flag in flags:
            found = [word for extra, word in extras if extra in flags]
            return f"{title} with {_listed(found)}" if found else title
    return platform.machine() or "unknown"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _limit(environment: Mapping[str, str]) -> tuple[str, str]:
    return next(((name, environment[name].upper()) for name in LIMITS if name in environment), ("", ""))


def _own_features() -> frozenset[str]:
    text = _cpu_info("flags") or _cpu_info("Features")
    if text:
        return frozenset(text.split())
    names = (name.lower() for name, has_it in _known_to_numpy().items() if has_it)
    return frozenset(NUMPY_NAMES.get(name, name) for name in names)


def _known_to_numpy() -> Mapping[str, bool]:
    """What numpy found at its start; it has no public name for it. The first module is that of numpy 2."""
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        with contextlib.suppress(ImportError):
            known: Mapping[str, bool] = importlib.import_module(module).__cpu_features__
            return known
    return {}


def _cpu_info(key: str) -> str:
    """The first line of that name in Linux's list; empty where there is none."""
    with contextlib.suppress(OSError):
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
