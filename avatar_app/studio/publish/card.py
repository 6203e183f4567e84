"""The page that travels with a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TENSORRT = (
    "",
    "## TensorRT",
    "",
    "`student-tensorrt.onnx` holds explicit pairs of quantize and dequantize: 8-bit signed numbers around zero, biases",
    "in float, INT8 in the same layers as in mixed. The other layers may run in FP16. Untested: there was no GPU.",
    "",
    "```",
    "trtexec --onnx=student-tensorrt.onnx --int8 --fp16 --saveEngine=student.plan",
    "```",
    "",
    "A TensorRT in which every network is strongly typed takes the same file without `--int8 --fp16`.",
)


def card(manifest: Mapping[str, Any]) -> str:
    """The model's README, every figure taken from its manifest."""
    lines = [
        f"# {manifest['title']}",
        "",
        f"Draws the mouth of the rendered person *{manifest['avatar_id']}* from a voice, a picture per call, on a CPU.",
        "",
        f"- Architecture: {manifest['architecture']}, {manifest['n_parameters']:,} parameters",
        f"- Licence: {manifest['licence']}",
        f"- Trained on: {'; '.join(manifest['provenance']['trained_on'])}",
        f"- Made by: commit {manifest['provenance']['commit'] or 'unknown'}, training recipe"
        f" {manifest['provenance'].get('config_hash', 'unknown')}",
        "- Meant for: speech in a live microphone or a recording, in any language near English. Not meant for singing,",
        "  for several voices at once, or for faces other than this one.",
        "- Limits: the head is drawn at rest (motion is added outside); languages were not compared.",
        "",
        "## Held-out clips and voices",
        "",
        "| look-ahead | mouth PSNR | mouth SSIM | opening, clips | opening, real voices | motion in noise / speech |",
        "|---|---|---|---|---|---|",
        *_score_rows(manifest["quality"]["held_out"]),
        "",
        "## Precisions",
        "",
        "| | loss against FP32 | OpenVINO | ONNX Runtime |",
        "|---|---|---|---|",
        *_precision_rows(manifest["quality"]),
        "",
        f"Milliseconds of a step, all in turns, in the quietest round ({manifest['quality']['step_ms']['machine']}).",
        f"INT8 or mixed, whichever is faster, against FP32 in the same engine: {_speedup(manifest['quality'])}.",
        "",
        "![What 8 bits cost in each layer](sensitivity.svg)",
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
