"""Given layouts serve the samples in order."""

import pytest
import torch

from labelmint.layouts.empirical import EmpiricalLayouts


def test_each_layout_serves_its_samples_in_a_row_and_then_begins_again() -> None:
    source = EmpiricalLayouts(torch.arange(3)[:, None, None].expand(3, 2, 2), per_layout=2)
    drawn = source.sample([(0, i) for i in range(8)], {}).ids[:, 0, 0]
    assert drawn.tolist() == [0, 0, 1, 1, 2, 2, 0, 0]


@pytest.mark.parametrize(("count", "per_layout"), [(0, 1), (2, 0)])
def test_no_layouts_and_no_samples_are_refused(count: int, per_layout: int) -> None:
    with pytest.raises(ValueError, match="at least one layout"):
        EmpiricalLayouts(torch.zeros(count, 2, 2), per_layout)
