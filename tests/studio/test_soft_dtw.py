"""Soft-DTW: against the recursion cell by cell, and the properties of its options."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions, dtw_score, padded_mse, soft_dtw  # noqa: E402

pytestmark = pytest.mark.studio


def squared_distances(x, y, weights):
    return np.array([[float((weights * (a - b) ** 2).sum()) for b in y] for a in x])


def recursion(cost, gamma, band=math.inf):
    """R of Cuturi and Blondel 2017, algorithm 1, with the border as row and column 0; gamma 0 is DTW."""
    n, m = cost.shape
    r = np.full((n + 2, m + 2), np.inf)
    r[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            if abs(i - j) > band:
                continue
            before = np.array([r[i - 1, j - 1], r[i - 1, j], r[i, j - 1]])
            low = before.min()
            if np.isfinite(low):
                soft = gamma * np.log(np.exp((low - before) / gamma).sum()) if gamma else 0
                r[i, j] = cost[i - 1, j - 1] + low - soft
    return r


def alignment(cost, r, gamma):
    """E of algorithm 2: the derivative of R at the last cell by each cost."""
    n, m = cost.shape
    e = np.zeros((n + 2, m + 2))
    e[n, m] = 1
    for i in range(n, 0, -1):
        for j in range(m, 0, -1):
            for a, b in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
                if a <= n and b <= m and np.isfinite(r[a, b]) and np.isfinite(r[i, j]):
                    e[i, j] += e[a, b] * math.exp((r[a, b] - r[i, j] - cost[a - 1, b - 1]) / gamma)
    return e[1 : n + 1, 1 : m + 1]


def expected_result(x, y, weights, gamma, band=math.inf):
    """Value, and gradient by x."""
    cost = squared_distances(x, y, weights)
    r = recursion(cost, gamma, band)
    e = alignment(cost, r, gamma)
    return r[len(x), len(y)], 2 * weights * (e.sum(1)[:, None] * x - e @ y)


def pairs(n_items=3, n=7, m=9, channels=4, dtype=torch.float64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n_items, n, channels, generator=rng, dtype=torch.float64).to(dtype)
    y = torch.randn(n_items, m, channels, generator=rng, dtype=torch.float64).to(dtype)
    return x, y


LENGTHS = (torch.tensor([7, 4, 1]), torch.tensor([9, 6, 3]))
WEIGHTS = (1.3, 1.0, 0.5, 0.0)


@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize("band", [None, 2, 4])
@pytest.mark.parametrize("gamma", [0.05, 1.0, 20.0])
def test_soft_dtw_when_compared_with_the_recursion_then_value_and_gradient_are_equal(gamma, band, is_swapped):
    (x, y), (n, m) = pairs(), LENGTHS
    if is_swapped:
        (x, n), (y, m) = (y, m), (x, n)
    x.requires_grad_()
    options = SoftDtwOptions(gamma, band_frames=band, channel_weights=WEIGHTS)
    got = soft_dtw(x, y, n, m, options)
    # Each item has its own factor, which the gradient must keep.
    (got * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    for k in range(3):
        a, b = x.detach()[k, : n[k]].numpy(), y[k, : m[k]].numpy()
        value, gradient = expected_result(a, b, np.array(WEIGHTS), gamma, math.inf if band is None else band)
        assert got[k].item() == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(x.grad[k, : n[k]].numpy(), (k + 1) * gradient, rtol=1e-9, atol=1e-9)
        assert not x.grad[k, n[k] :].any()


@pytest.mark.parametrize("is_length_normalised", [False, True])
@pytest.mark.parametrize("band", [None, 2])
def test_soft_dtw_when_differentiated_then_gradcheck_passes_for_both_sequences(band, is_length_normalised):
    x, y = (sequence.requires_grad_() for sequence in pairs())
    options = SoftDtwOptions(0.7, band, is_length_normalised, WEIGHTS)
    assert torch.autograd.gradcheck(lambda a, b: soft_dtw(a, b, *LENGTHS, options), (x, y))


def test_soft_dtw_when_float32_and_gamma_of_the_paper_then_close_to_float64():
    x, y = (0.3 * sequence for sequence in pairs(2, 137, 150, 37))
    gradients, values = [], []
    for dtype in (torch.float64, torch.float32):
        a = x.to(dtype).clone().requires_grad_()
        value = soft_dtw(a, y.to(dtype))
        value.sum().backward()
        assert value.dtype == a.grad.dtype == dtype
        values.append(value.detach().double())
        gradients.append(a.grad.double())
    torch.testing.assert_close(values[1], values[0], rtol=1e-5, atol=0)
    assert (gradients[1] - gradients[0]).norm() < 0.01 * gradients[0].norm()


def test_soft_dtw_when_gamma_is_large_in_a_long_sequence_then_the_gradient_of_float32_does_not_drift():
    x = torch.zeros(1, 600, 1, requires_grad=True)
    y = torch.ones(1, 600, 1)
    soft_dtw(x, y, options=SoftDtwOptions(0.1)).sum().backward()
    exact = torch.zeros(1, 600, 1, dtype=torch.float64, requires_grad=True)
    soft_dtw(exact, y.double(), options=SoftDtwOptions(0.1)).sum().backward()
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-3, atol=1e-3)


def test_soft_dtw_when_values_lie_far_from_zero_then_float32_keeps_small_differences():
    x, y = (100 + 0.05 * sequence for sequence in pairs(dtype=torch.float32))
    torch.testing.assert_close(soft_dtw(x, y).double(), soft_dtw(x.double(), y.double()), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("n", "m"), [(100, 3), (3, 100)])
def test_soft_dtw_when_one_sequence_is_long_then_memory_is_bounded_by_the_product_of_lengths(n, m):
    x, y = pairs(2, n, m, 1)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor.numel()) or tensor, lambda t: t):
        soft_dtw(x.requires_grad_(), y)
    # Cells of the diagonals with their border, per item: (N + M + 1) (min(N, M) + 1).
    assert max(saved) == 2 * 104 * 4


def test_soft_dtw_when_gamma_goes_to_zero_then_equals_dtw():
    x, y = pairs()
    got = soft_dtw(x, y, options=SoftDtwOptions(1e-7))
    for k in range(3):
        cost = squared_distances(x[k].numpy(), y[k].numpy(), np.ones(4))
        hard = recursion(cost, 0)[7, 9]
        assert got[k].item() == pytest.approx(hard, rel=1e-6)
        # The paper's score takes the mean over the channels.
        assert dtw_score(x[k], y[k]) == pytest.approx(hard / 4, rel=1e-12)
        assert dtw_score(y[k], x[k]) == pytest.approx(hard / 4, rel=1e-12)


@pytest.mark.parametrize("band", [8, 1000, math.inf])
def test_soft_dtw_when_the_band_covers_all_cells_then_equals_no_band(band):
    x, y = pairs()
    banded, free = (soft_dtw(x, y, options=SoftDtwOptions(1.0, b)) for b in (band, None))
    assert torch.equal(banded, free)
    assert (soft_dtw(x, y, options=SoftDtwOptions(1.0, 2)) > free).all()


def test_soft_dtw_when_the_band_is_zero_then_frames_match_in_order():
    x, y = pairs(n=9)
    got = soft_dtw(x, y, options=SoftDtwOptions(1.0, 0))
    torch.testing.assert_close(got, (x - y).square().sum((1, 2)))


@pytest.mark.parametrize("filler", [1e6, math.inf, math.nan])
def test_soft_dtw_when_padding_changes_then_value_and_gradient_do_not(filler):
    (x, y), (n, m) = pairs(), LENGTHS
    results = []
    for value in (0.0, filler):
        a, b = x.clone(), y.clone()
        for k in range(3):
            a[k, n[k] :] = value
            b[k, m[k] :] = value
        a.requires_grad_()
        b.requires_grad_()
        cost = soft_dtw(a, b, n, m)
        cost.sum().backward()
        results.append((cost.detach(), a.grad, b.grad))
    assert all(torch.equal(clean, filled) for clean, filled in zip(*results, strict=True))


def test_soft_dtw_when_an_item_is_alone_then_equals_its_value_in_the_batch():
    (x, y), (n, m) = pairs(), LENGTHS
    batch = soft_dtw(x, y, n, m)
    for k in range(3):
        alone = soft_dtw(x[k : k + 1, : n[k]], y[k : k + 1, : m[k]])
        torch.testing.assert_close(alone[0], batch[k])


def test_soft_dtw_when_sequences_are_shifted_then_cheaper_than_unrelated_ones():
    t = torch.linspace(0, 6, 60, dtype=torch.float64)[:, None]
    curve = torch.cat((torch.sin(2 * t), torch.cos(3 * t)), dim=1)
    shifted = torch.cat((curve[:1].expand(5, 2), curve[:-5]))
    unrelated = torch.randn(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same, late, other = (soft_dtw(curve[None], y[None]).item() for y in (curve, shifted, unrelated))
    assert same < late < 0.2 * other
    # A comparison frame by frame does not forgive the shift.
    assert late < 0.2 * (curve - shifted).square().sum()


def test_soft_dtw_when_length_normalised_then_divided_by_the_sum_of_lengths():
    (x, y), (n, m) = pairs(), LENGTHS
    plain = soft_dtw(x, y, n, m)
    got = soft_dtw(x, y, n, m, SoftDtwOptions(is_length_normalised=True))
    torch.testing.assert_close(got * torch.tensor([16, 10, 4]), plain)


def test_soft_dtw_when_minimised_then_the_prediction_reaches_the_target():
    x, y = pairs(1, 12, 9, 2, torch.float32)
    x.requires_grad_()
    before = soft_dtw(x, y, options=SoftDtwOptions(0.01)).item()
    for _ in range(150):
        x.grad = None
        soft_dtw(x, y, options=SoftDtwOptions(0.01)).sum().backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
    assert soft_dtw(x, y, options=SoftDtwOptions(0.01)).item() < 0.05 * before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 0.0}, "gamma must be positive"),
        ({"gamma": -1.0}, "gamma must be positive"),
        ({"gamma": math.nan}, "gamma must be positive"),
        ({"gamma": math.inf}, "gamma must be positive"),
        ({"band_frames": -1}, "band_frames must be 0 or more"),
        ({"band_frames": math.nan}, "band_frames must be 0 or more"),
        ({"channel_weights": (1.0, -1.0)}, "channel_weights must be finite"),
        ({"channel_weights": (1.0, math.nan)}, "channel_weights must be finite"),
    ],
)
def test_options_when_out_of_range_then_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SoftDtwOptions(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_lengths": torch.tensor([7, 0, 1])}, r"x_lengths must be in 1\.\.7"),
        ({"x_lengths": torch.tensor([8, 7, 1])}, r"x_lengths must be in 1\.\.7"),
        ({"y_lengths": torch.tensor([9, -1, 1])}, r"y_lengths must be in 1\.\.9"),
        ({"y_lengths": torch.tensor([9, 9])}, "y_lengths must be 3 integers"),
        ({"y_lengths": torch.tensor([9.0, 9.0, 9.0])}, "y_lengths must be 3 integers"),
        ({"x": torch.zeros(3, 0, 4, dtype=torch.float64)}, "is empty"),
        ({"x": torch.zeros(2, 7, 4, dtype=torch.float64)}, "do not agree"),
        ({"x": torch.zeros(3, 7, 5, dtype=torch.float64)}, "do not agree"),
        ({"x": torch.zeros(7, 4, dtype=torch.float64)}, "do not agree"),
        ({"x": torch.zeros(3, 7, 4)}, "both be float32 or both float64"),
        ({"x": torch.zeros(3, 7, 4, dtype=torch.float64, device="meta")}, "but y on cpu"),
        ({"options": SoftDtwOptions(band_frames=1)}, "too narrow: the lengths of an item differ by 2"),
        ({"options": SoftDtwOptions(channel_weights=(1.0,))}, "1 channel_weights do not fit 4 channels"),
    ],
)
def test_soft_dtw_when_the_input_is_bad_then_one_clear_error(change, message):
    x, y = pairs()
    with pytest.raises(ValueError, match=message):
        soft_dtw(**{"x": x, "y": y, **change})


def test_soft_dtw_when_half_precision_then_refused():
    x, y = pairs(dtype=torch.bfloat16)
    with pytest.raises(ValueError, match="both be float32"):
        soft_dtw(x, y)


def test_dtw_score_when_a_frame_is_held_then_zero_and_it_grows_with_the_length():
    target = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert dtw_score(target.repeat_interleave(3, dim=0), target) == 0
    # Each of the frames costs (1 + 0) / 2.
    assert dtw_score(torch.tensor([[1.0, 0.0]]).expand(4, 2), torch.zeros(4, 2)) == 2.0
    assert dtw_score(torch.tensor([[1.0, 0.0]]).expand(8, 2), torch.zeros(4, 2)) == 4.0


def test_padded_mse_when_lengths_differ_then_cut_or_padded_with_zeros():
    target = torch.ones(4, 2)
    assert padded_mse(torch.ones(6, 2), target) == 0
    assert padded_mse(torch.ones(3, 2), target) == 0.25
    assert padded_mse(torch.full((4, 2), 3.0), target) == 4
    # A network's output needs no detach.
    assert padded_mse(torch.ones(4, 2, requires_grad=True), target) == 0
    assert dtw_score(torch.ones(4, 2, requires_grad=True), target) == 0


@pytest.mark.parametrize("score", [dtw_score, padded_mse])
def test_scores_when_a_sequence_is_empty_then_refused(score):
    with pytest.raises(ValueError, match="is empty"):
        score(torch.zeros(0, 2), torch.ones(3, 2))
