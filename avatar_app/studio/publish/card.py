"""The README of a published model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TENSORRT = (
    "",
    "## TensorRT",
    "",
    "`student-tensorrt.onnx` is a graph in QDQ form with symmetric signed INT8 and float biases. It uses INT8 in the",
    "same layers as mixed; the other layers may run in FP16. It was not tested on a GPU.",
    "",
    "```",
    "trtexec --onnx=student-tensorrt.onnx --int8 --fp16 --saveEngine=student.plan",
    "```",
    "",
    "For a strongly typed network in TensorRT, omit `--int8 --fp16`.",
)


def card(manifest: Mapping[str, Any]) -> str:
    """The model's README; every number comes from its manifest."""
    lines = [
        f"# {manifest['title']}",
        "",
        f"Generates the mouth of the avatar *{manifest['avatar_id']}* from speech on a CPU, one picture per call.",
        "",
        f"- Architecture: {manifest['architecture']}, {manifest['n_parameters']:,} parameters",
        f"- Licence: {manifest['licence']}",
        f"- Trained on: {'; '.join(manifest['provenance']['trained_on'])}",
        f"- Provenance: commit {manifest['provenance']['commit'] or 'unknown'}, training recipe"
        f" {manifest['provenance'].get('config_hash', 'unknown')}",
        "- Intended use: speech of one person from a microphone or a recording. It was trained on English.",
        "- Not intended for: singing, several voices at once, other faces.",
        "- Limits: the head is at rest (the program adds motion); other languages were not measured.",
        "",
        "## Quality on held-out clips and speakers",
        "",
        "| look-ahead | mouth PSNR | mouth SSIM | opening r, clips | opening r, speakers | motion in noise / speech |",
        "|---|---|---|---|---|---|",
        *_score_rows(manifest["quality"]["held_out"]),
        "",
        "## Precisions",
        "",
        "| | loss against FP32 | OpenVINO | ONNX Runtime |",
        "|---|---|---|---|",
        *_precision_rows(manifest["quality"]),
        "",
        f"Milliseconds of a step in the fastest of interleaved rounds ({manifest['quality']['step_ms']['machine']}).",
        f"Speed-up of the faster of INT8 and mixed over FP32 in the same engine: {_speedup(manifest['quality'])}.",
        "",
        "![Sensitivity of each layer to INT8](sensitivity.svg)",
        *(_TENSORRT if manifest.get("tensorrt_file") else ()),
    ]
    return "\n".join(lines) + "\n"


def _score_rows(scores: Mapping[str, Any]) -> list[str]:
    return [
        f"| {key.removeprefix('lookahead_')} ms | {s['mouth_psnr_db']:.1f} dB | {s['mouth_ssim']:.3f}"
        f" | {s['opening_correlation']:.2f} | {s['voices_correlation']:.2f} | {100 * s['noise_motion_ratio']:.1f} % |"
        for key, s in scores.items()
        if key.startswith("lookahead_")
    ]


def _precision_rows(quality: Mapping[str, Any]) -> list[str]:
    times_ms = quality["step_ms"]
    return [
        f"| {name.upper()} | {loss:+.2f} dB | {times_ms[f'openvino {name}']:.2f} ms"
        f" | {times_ms[f'onnxruntime-cpu {name}']:.2f} ms |"
        for name, loss in quality["loss_db"].items()
    ]


def _speedup(quality: Mapping[str, Any]) -> str:
    return ", ".join(f"{ratio:.1f}x in {engine}" for engine, ratio in quality["speedup"].items())
