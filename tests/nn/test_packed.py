"""Products with weights laid out once equal plain ones, wherever the kernel comes from."""

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional

from labelmint.nn import packed
from labelmint.nn.packed import convolution, product

ROWS = (1, 16, 300)  # too few for a packed product of 64 x 48 weights in float32, too few still, and enough


@pytest.fixture(params=[True, False], ids=["packed", "plain"])
def packable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """With oneDNN's operators, where this build has them, and without."""
    if not request.param:
        monkeypatch.setattr(packed, "_packable", lambda weight: False)
    yield request.param


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_is_base_plus_x_w(packable: bool, rows: int, dtype: torch.dtype) -> None:
    torch.manual_seed(rows)
    weight, bias, base = (torch.randn(shape).to(dtype) for shape in ((64, 48), (48,), (rows, 48)))
    x = torch.randn(rows, 3 * 64).to(dtype)[:, 64:128]  # rows that are a part of longer ones, as windows are
    made = product(weight, rows)
    enough = dtype == torch.bfloat16 or rows == 300
    assert made.packed == (packable and enough and packed._packable(weight))
    weight_before, tolerance = weight.clone(), 1e-5 if dtype == torch.float32 else 0.05
    for added in (bias, base):
        expected = added.double() + x.double() @ weight_before.double()
        out = torch.empty(rows, 48, dtype=dtype)
        assert made(x, added).double().allclose(expected, atol=tolerance * 8, rtol=tolerance)
        assert made(x, added, out) is out
        assert out.equal(made(x, added))
    weight.zero_()  # what was made is a copy
    assert (
        made(x, bias)
        .double()
        .allclose(bias.double() + x.double() @ weight_before.double(), atol=tolerance * 8, rtol=tolerance)
    )
    base_too = base.clone()
    assert made(x, base_too, base_too).equal(made(x, base))  # `out` may be the base


@pytest.mark.parametrize("batch", [1, 5])
def test_a_convolution_is_the_plain_one_in_channels_last(packable: bool, batch: int) -> None:
    weight, bias, x = torch.randn(6, 4, 2, 3), torch.randn(6), torch.randn(batch, 2, 9, 4).permute(0, 3, 1, 2)
    made = convolution(weight, bias, (batch, 4, 2, 9))
    assert made.packed == (packable and packed._packable(weight))
    expected = functional.conv2d(x, weight, bias)
    weight.zero_()
    assert made(x).allclose(expected, atol=1e-5)
