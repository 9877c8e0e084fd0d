"""The laws of a flow: its equations, what an evaluation is, and what its network heeds."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from labelmint.generators import flow, velocity_unet
from labelmint.generators.flow_images import FlowImages
from labelmint.generators.velocity_unet import (
    VelocityConfig,
    VelocityUNet,
    linear_guess,
    residual_deviation,
    trust_in_image,
    trust_in_means,
)
from labelmint.types import LayoutBatch


def _network(channels: int = 3, perturbed: bool = True) -> VelocityUNet:
    torch.manual_seed(0)
    config = VelocityConfig(widths=(16, 24), layout_channels=4, time_channels=16, middle_blocks=1)
    network = VelocityUNet(config, channels, symbols=3)
    if perturbed:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def _inputs(
    items: int = 3, channels: int = 3, size: tuple[int, int] = (8, 12)
) -> tuple[Tensor, Tensor, LayoutBatch]:
    torch.manual_seed(1)
    ids = torch.randint(0, 3, (items, *size), dtype=torch.int16)
    return torch.randn(items, channels, *size), torch.linspace(0.02, 0.98, items), LayoutBatch(ids)


class _Counted:
    """A field that counts its evaluations."""

    def __init__(self, field: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.field, self.times = field, list[float]()

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        assert t.shape == (len(x),)
        self.times.append(float(t[0]))
        return self.field(x, t)


def _decay(x: Tensor, t: Tensor) -> Tensor:
    return -2 * x * (1 + t[:, None, None, None])  # x(1) = exp(-3) x(0)


def test_the_target_is_the_derivative_of_the_interpolation() -> None:
    noise, image = torch.randn(2, 2, 1, 3, 3, dtype=torch.float64).unbind()
    ends = flow.interpolate(noise, image, torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert torch.equal(ends[0], noise[0])
    assert torch.equal(ends[1], image[1])
    t = torch.tensor([0.3, 0.8], dtype=torch.float64)
    slope = (flow.interpolate(noise, image, t + 1e-3) - flow.interpolate(noise, image, t)) / 1e-3
    assert torch.allclose(slope, flow.velocity_target(noise, image))
    assert flow.velocity_loss(flow.velocity_target(noise, image) + 2, noise, image).item() == pytest.approx(4)


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
def test_times_are_stratified_and_as_dense_as_stated(weight: float) -> None:
    times = flow.stratified_times(torch.rand(4096), weight)
    assert 0 < times.min() < times.max() < 1
    assert times.equal(times.sort().values)
    edges = torch.linspace(0.05, 0.95, 19)
    found = (times[None] < edges[:, None]).float().mean(1)
    assert torch.allclose(found, flow.share_below(edges, weight), atol=1.1 / 4096)
    assert (flow.share_below(torch.tensor(1e-4), weight) / 1e-4).item() == pytest.approx(
        weight, rel=1e-2
    )  # the density at noise


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_times_stay_inside_at_the_ends_of_their_strata(uniform: float) -> None:
    times = flow.stratified_times(torch.full((5,), uniform), 3.0)
    assert 0 < times.min() < times.max() < 1


@pytest.mark.parametrize("evaluations", [1, 2, 3, 4, 7, 12])
def test_evaluations_are_counted_exactly(evaluations: int) -> None:
    field = _Counted(_decay)
    flow.integrate(field, torch.ones(2, 1, 1, 1), evaluations)
    grid = flow.time_grid(evaluations, 1)
    assert field.times == pytest.approx(grid[:-1])
    assert (grid[0], grid[-1], len(grid)) == (0, 1, evaluations + 1)
    assert all(t < after for t, after in pairwise(grid))


def test_the_error_falls_with_the_square_of_the_steps() -> None:
    """But for the logarithm in their length."""
    start = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    exact = torch.exp(torch.tensor(-3.0, dtype=torch.float64))
    errors = [abs(flow.integrate(_decay, start, n).item() - exact.item()) for n in (32, 64, 128)]
    assert all(2.8 < a / b < 4.5 for a, b in pairwise(errors)), errors


def test_times_are_evenly_spaced_in_the_ratio_of_signal_to_noise_and_begin_earlier_for_many_pixels() -> None:
    grid = torch.tensor(flow.time_grid(13, 64 * 64), dtype=torch.float64)
    assert (float(grid[1]), float(grid[-2])) == pytest.approx((1 / 104, 1 - 1 / 39))
    steps = grid[1:-1].logit().diff()
    assert torch.allclose(steps, steps[:1])
    assert flow.time_grid(13, 256 * 256)[1] == pytest.approx(2 / (3 * 256))


@pytest.mark.parametrize(("side", "n"), [(64, 400), (192, 200)])
def test_few_evaluations_keep_the_shares_of_two_kinds_of_images(side: int, n: int) -> None:
    """Images that are a level everywhere, one in four of them bright: every drawn one is of a kind, as often."""
    kinds, shares, pixels = torch.tensor([-0.8, 0.8]), torch.tensor([0.75, 0.25]), side * side

    def field(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The exact velocity, by the probability of each kind given x."""
        at, mean = t[:, None], x.mean(dim=(1, 2, 3))[:, None]
        density = -pixels * (mean - at * kinds).square() / (2 * (1 - at) ** 2) + shares.log()
        image = (density.softmax(dim=1) * kinds).sum(dim=1)[:, None, None, None]
        return (image - x) / (1 - t)[:, None, None, None]

    noise = torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(0))
    levels = flow.integrate(field, noise, 13).mean(dim=(1, 2, 3))
    assert (levels.abs() - 0.8).abs().max() < 0.05
    assert float((levels > 0).float().mean()) == pytest.approx(0.25, abs=0.06)


def test_no_evaluation_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 evaluation, got 0"):
        flow.integrate(_decay, torch.ones(1, 1, 1, 1), 0)


@pytest.mark.parametrize("evaluations", [1, 2, 5])
def test_a_perfect_velocity_carries_noise_to_the_image(evaluations: int) -> None:
    noise, image = torch.randn(2, 3, 1, 4, 4).unbind()
    found = flow.integrate(lambda x, t: flow.velocity_target(noise, image), noise, evaluations)
    assert torch.allclose(found, image, atol=1e-5)


def test_the_exact_velocity_of_a_gaussian_carries_noise_to_that_gaussian() -> None:
    noise = torch.randn(1, 1, 100, 100, dtype=torch.float64)
    found = flow.integrate(lambda x, t: linear_guess(t, 0.3)[:, None, None, None] * x, noise, 256)
    assert torch.allclose(found, 0.3 * noise, atol=1e-3)


def test_what_the_linear_guess_leaves_has_the_deviation_stated() -> None:
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    noise, image = (
        torch.randn(9, 1, 300, 300, dtype=torch.float64),
        0.3 * torch.randn(9, 1, 300, 300, dtype=torch.float64),
    )
    guess = linear_guess(t, 0.3)[:, None, None, None] * flow.interpolate(noise, image, t)
    left = (flow.velocity_target(noise, image) - guess).std(dim=(1, 2, 3))
    assert torch.allclose(left, residual_deviation(t, 0.3), rtol=0.02)


def test_guidance_of_one_is_the_plain_path_and_costs_no_more() -> None:
    network, (noise, _, layouts) = _network(), _inputs()
    rows: list[int] = []

    def counted(x: Tensor, t: Tensor, layouts: LayoutBatch, shown: Tensor | None = None) -> Tensor:
        rows.append(len(x))
        found: Tensor = network(x, t, layouts, shown)
        return found

    plain = flow.integrate(lambda x, t: network(x, t, layouts), noise, 3)
    assert torch.equal(flow.integrate(flow.guided(counted, layouts, 1.0), noise, 3), plain)
    assert sum(rows) == 3 * 3
    rows.clear()
    assert not torch.allclose(flow.integrate(flow.guided(counted, layouts, 2.0), noise, 3), plain, atol=1e-3)
    assert sum(rows) == 3 * 2 * 3


@pytest.mark.parametrize(("guidance", "passes"), [(1.0, 7), (2.0, 14)])
def test_the_dial_counts_values_of_the_field_with_guidance_of_two_passes_each(
    guidance: float, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, (noise, _, layouts) = _network(), _inputs()
    images, rows = FlowImages(network, 3, (8, 12), learned_without=True), list[int]()
    whole = network.forward
    monkeypatch.setattr(network, "forward", lambda x, *more: (rows.append(len(x)), whole(x, *more))[1])
    with torch.no_grad():
        images(layouts, noise, {"evaluations": 7.0, "guidance": guidance})
    assert sum(rows) == 3 * passes


@pytest.mark.parametrize("guidance", [0.0, 0.5, 2.5])
def test_guidance_goes_along_the_line_of_both_velocities(guidance: float) -> None:
    network, (x, t, layouts) = _network(), _inputs()
    hidden, seen = network(x, t, layouts, torch.zeros(3, dtype=torch.bool)), network(x, t, layouts)
    assert torch.allclose(
        flow.guided(network, layouts, guidance)(x, t), hidden + guidance * (seen - hidden), atol=1e-4
    )


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_row_depends_on_itself_alone(guidance: float) -> None:
    network, (noise, _, layouts) = _network(), _inputs()
    whole = flow.integrate(flow.guided(network, layouts, guidance), noise, 4)
    for r in range(3):
        alone = flow.guided(network, LayoutBatch(layouts.ids[r : r + 1]), guidance)
        assert torch.allclose(flow.integrate(alone, noise[r : r + 1], 4)[0], whole[r], rtol=1e-4, atol=1e-4)


def test_trust_in_the_image_takes_the_noise_out_of_what_remains() -> None:
    t = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    ratio, spread = t * 0.3 / (1 - t), (t**2 * 0.09 + (1 - t) ** 2).sqrt()
    x, image = torch.randn(2, 9, dtype=torch.float64)
    trusted = linear_guess(t, 0.3) * x + residual_deviation(t, 0.3) * ratio * (
        image * spread / (t * 0.09) - x / spread
    )
    assert torch.allclose(trusted, (image - x) / (1 - t))
    trust = trust_in_image(torch.linspace(0, 1, 101), 0.3)
    assert (trust[0], trust[-1]) == (0, 2)
    assert (trust.diff() >= 0).all()


def test_a_mean_over_a_window_is_the_best_linear_guess_of_an_image_alike_there() -> None:
    generator = torch.Generator().manual_seed(0)
    deviation, n = torch.tensor(0.4), 4000
    for at in (0.3, 0.7):
        t = torch.full((n,), at)
        image = (deviation * torch.randn(n, 1, 1, 1, generator=generator)).expand(n, 1, 7, 7)
        x = at * image + (1 - at) * torch.randn(image.shape, generator=generator)
        spread = float(((at * deviation) ** 2 + (1 - at) ** 2).sqrt())
        for k, window in enumerate(velocity_unet._WINDOWS):
            shares = torch.zeros(n, len(velocity_unet._WINDOWS), 7, 7)
            shares[:, k] = 1
            mixed = velocity_unet._mixed_means(x / spread, shares, t, deviation)
            guess = mixed[:, 0, 3, 3] * at * deviation**2 / spread  # in the units of G
            mean = x[:, 0, 3 - window // 2 : 4 + window // 2, 3 - window // 2 : 4 + window // 2].mean(
                dim=(1, 2)
            )
            fitted = (mean * image[:, 0, 3, 3]).mean() / mean.square().mean()
            assert torch.allclose(guess, fitted * mean, atol=0.05)
            if window == 1:
                assert torch.allclose(mixed, x / spread, atol=1e-5)


def test_trust_in_means_is_what_trust_in_the_image_lacks() -> None:
    t, deviation = torch.linspace(0, 1, 101), torch.tensor(0.3)
    both = trust_in_image(t, deviation) + trust_in_means(t, deviation)
    ratio = t * deviation / (1 - t).clamp_min(1e-3)
    assert torch.allclose(both, ratio.clamp_max(12))
    assert (trust_in_means(t, deviation) >= 0).all()


@pytest.mark.parametrize(("channels", "size"), [(1, (8, 8)), (3, (4, 12))])
def test_a_new_network_is_the_linear_guess_at_noise(channels: int, size: tuple[int, int]) -> None:
    network, (x, t, layouts) = _network(channels, perturbed=False), _inputs(channels=channels, size=size)
    assert network.config.multiple == 4
    assert torch.allclose(network(x, torch.zeros_like(t), layouts), -x, atol=1e-6)
    assert network(x, t, layouts).shape == x.shape


@pytest.mark.parametrize("perturbed", [True, False])
def test_every_parameter_has_a_finite_gradient(perturbed: bool) -> None:
    network, (x, t, layouts) = _network(perturbed=perturbed), _inputs()
    flow.velocity_loss(
        network(x, t, layouts, torch.tensor([True, False, True])), x, torch.zeros_like(x)
    ).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    if perturbed:
        assert all(gradient is not None and gradient.any() for gradient in gradients.values())


def test_a_layout_counts_only_where_it_is_shown() -> None:
    network, (x, t, layouts) = _network(), _inputs()
    other = LayoutBatch((layouts.ids + 1) % 3)
    shown = torch.tensor([True, False, True])
    difference = (network(x, t, layouts, shown) - network(x, t, other, shown)).abs().amax(dim=(1, 2, 3))
    assert difference[1] == 0
    assert min(difference[0], difference[2]) > 1e-3
    assert torch.equal(network(x, t, layouts, torch.ones(3, dtype=torch.bool)), network(x, t, layouts))


def test_widths_are_read_from_text_and_must_be_multiples_of_eight() -> None:
    assert VelocityConfig(widths="32,64").widths == (32, 64)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="multiples of 8"):
        VelocityConfig(widths=(32, 12))
