from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.nets import Generator, GeneratorShape, Student28x, SyncNet, Wav2Lip  # noqa: E402
from avatar_app.studio.nets.cost import count_parameters, measure_cost  # noqa: E402

pytestmark = pytest.mark.studio


def generator_cost(net, size_px=96):
    return measure_cost(net, torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, size_px, size_px))


@pytest.mark.parametrize(("net", "n_parameters"), [(Wav2Lip, 36_298_035), (Student28x, 1_258_143)])
def test_count_parameters_of_published_generators_is_the_published_number(net, n_parameters):
    assert count_parameters(net()) == n_parameters


@pytest.mark.parametrize(("net", "true_g", "output_grid_g"), [(Wav2Lip, 3.967, 6.202), (Student28x, 0.0750, 0.2147)])
def test_measure_cost_of_generators_gives_both_conventions(net, true_g, output_grid_g):
    cost = generator_cost(net())
    assert cost.n_macs / 1e9 == pytest.approx(true_g, rel=1e-3)
    assert cost.n_macs_output_grid / 1e9 == pytest.approx(output_grid_g, rel=1e-3)


def test_student_over_teacher_is_28_times_smaller_and_cheaper_as_the_paper_counts():
    teacher, student = generator_cost(Wav2Lip()), generator_cost(Student28x())
    assert teacher.n_parameters / student.n_parameters == pytest.approx(28.85, abs=0.01)
    assert teacher.n_macs / student.n_macs == pytest.approx(52.9, abs=0.1)
    assert teacher.n_macs_output_grid / student.n_macs_output_grid == pytest.approx(28.9, abs=0.1)


def test_measure_cost_of_the_128_px_student_matches_the_table():
    cost = generator_cost(Student28x(size_px=128), size_px=128)
    assert cost.n_parameters / 1e6 == pytest.approx(1.602, abs=1e-3)
    assert cost.n_macs / 1e9 == pytest.approx(0.132, abs=1e-3)


@pytest.mark.parametrize(("divisor", "parameters_m", "macs_g"), [(1, 20.06, 1.066), (2, 5.02, 0.278)])
def test_measure_cost_without_residuals_matches_the_ablation_rows(divisor, parameters_m, macs_g):
    shape = GeneratorShape(16 // divisor, 32 // divisor, 32 // divisor, has_residuals=False)
    cost = generator_cost(Generator(shape))
    assert cost.n_parameters / 1e6 == pytest.approx(parameters_m, abs=0.005)
    assert cost.n_macs / 1e9 == pytest.approx(macs_g, abs=0.0005)


def test_measure_cost_of_the_expert_matches_the_table():
    cost = measure_cost(SyncNet(), torch.zeros(1, 1, 80, 16), torch.zeros(1, 15, 48, 96))
    assert cost.n_parameters / 1e6 == pytest.approx(16.44, abs=0.005)
    assert cost.n_macs / 1e9 == pytest.approx(1.21, abs=0.005)


def test_measure_cost_of_one_transposed_convolution_counts_input_or_output_positions():
    cost = measure_cost(torch.nn.ConvTranspose2d(2, 3, 3, 2, 1, output_padding=1), torch.zeros(1, 2, 4, 4))
    assert cost.n_macs == 4 * 4 * 2 * 3 * 9
    assert cost.n_macs_output_grid == 8 * 8 * 2 * 3 * 9
