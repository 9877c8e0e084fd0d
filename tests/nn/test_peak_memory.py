"""Rows take what they hold, and a batch what its rows and the rest take."""

import torch

from labelmint.nn.peak_memory import bytes_by_rows, peak_bytes


def test_a_batch_takes_a_fixed_part_and_a_part_a_row() -> None:
    def work(rows: int) -> object:
        return torch.zeros(1024), torch.zeros(rows, 256)

    counted = bytes_by_rows(work)
    assert counted == (4096, 1024)
    assert counted.of(7) == peak_bytes(lambda: work(7)) == 4096 + 7 * 1024
