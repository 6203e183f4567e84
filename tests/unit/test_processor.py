import pytest

from avatar_app import render
from avatar_app.live.student import processor
from avatar_app.render import student_threads
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

EPYC = "flags : sse4_2 avx avx2 fma avx512f avx512bw avx512_vnni avx512_bf16"
DESKTOP = "flags : sse4_2 avx fma avx2"
ALDER_LAKE = "flags : sse4_2 avx avx2 avx_vnni"
RASPBERRY = "Features : fp asimd evtstrm crc32 asimdhp asimddp"
GRAVITON = "Features : fp asimd asimddp sve i8mm bf16"


@pytest.fixture
def on(tmp_path, monkeypatch):
    """A machine with this /proc/cpuinfo."""

    def use(line: str) -> None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nmodel name : A processor\n{line}\n\n{line}\n")
        monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")

    return use


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (EPYC, "AVX-512 with VNNI and BF16"),
        (DESKTOP, "AVX2"),
        (ALDER_LAKE, "AVX2 with VNNI"),
        (RASPBERRY, "NEON with dot product"),
        (GRAVITON, "NEON with dot product, I8MM, BF16 and SVE"),
    ],
)
def test_instruction_set_when_processor_is_known_then_named_for_people(on, line, words):
    on(line)
    assert processor.instruction_set({}) == words
    assert processor.cpu_name() == "A processor"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("AVX2", "AVX2 (by ONEDNN_MAX_CPU_ISA)"),
        ("avx512_core", "AVX-512 (by ONEDNN_MAX_CPU_ISA)"),
        ("AVX512_CORE_VNNI", "AVX-512 with VNNI (by ONEDNN_MAX_CPU_ISA)"),
        ("AVX512_CORE_FP16", "AVX-512 with VNNI and BF16"),
        ("ALL", "AVX-512 with VNNI and BF16"),
    ],
)
def test_instruction_set_when_limited_then_the_rest_and_the_limit(on, limit, words):
    on(EPYC)
    assert processor.instruction_set({"ONEDNN_MAX_CPU_ISA": limit}) == words


def test_instruction_set_when_limited_by_the_old_name_then_it_counts(on):
    on(EPYC)
    assert processor.instruction_set({"DNNL_MAX_CPU_ISA": "AVX2"}) == "AVX2 (by DNNL_MAX_CPU_ISA)"


def test_instruction_set_when_limit_is_above_the_processor_then_it_is_not_named(on):
    on(DESKTOP)
    assert processor.instruction_set({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}) == "AVX2"


def test_instruction_set_when_there_is_no_cpuinfo_then_from_numpy(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "none")
    assert any(word in processor.instruction_set({}) for word in ("SSE4.2", "AVX", "NEON"))


@pytest.mark.parametrize(("cores", "n_threads"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 4), (16, 4)])
def test_student_threads_when_rendering_then_two_cores_are_left_for_composing_and_encoding(cores, n_threads):
    assert student_threads(cores) == n_threads


def test_render_when_there_are_five_cores_then_the_student_is_opened_with_three_threads(tmp_path, monkeypatch):
    opened, open_driver = [], render.open_driver
    monkeypatch.setattr(render, "n_cores", lambda: 5)
    monkeypatch.setattr(
        render, "open_driver", lambda *words, **named: opened.append(words[1].n_threads) or open_driver(*words, **named)
    )
    render.open_mouth_driver(Settings(model="nova-96"), ProfilePaths(tmp_path)).close()
    assert opened == [3]
