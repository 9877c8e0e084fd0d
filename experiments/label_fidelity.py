"""What a layout's tokens keep of it where they are not learned: cells of one symbol (MSGNet's label map), and
patterns of cells.

    python -m experiments.label_fidelity --run RUN --data DIR --out DIR [--cell 2 4] [--patterns 256 512 1024]
    [--n 512]

RUN is a run of any system: its split, size, symbols and augmentation are taken. Of n views of held-out
layouts, in label_fidelity.json for each side of a cell and each number of patterns, and for the label map of
that grid:

    misread       share of the pixels that come back as another class
    miou          mean intersection over union, over labelled classes
    boundaries    1 - boundary score (2 pixels)

Patterns are counted in views of the training layouts, as `labelmint train` does. label_fidelity.png: layouts,
and what comes back.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from experiments.common import add_common, answer, at_least, open_real, run_pairs, write_json
from experiments.sheet import sheet
from experiments.token_figures import AT_ONCE, class_colors, layouts_back, views
from torch import Tensor

from labelmint import formats
from labelmint.errors import InputError
from labelmint.objectives.patterns import count_patterns
from labelmint.protocols import LayoutTokenizer
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.patterns import Patterns
from labelmint.types import LayoutBatch

__all__ = ["main"]

_SHOWN = 8


class _ByPatterns:
    """Patterns alone as a tokenizer of layouts."""

    def __init__(self, patterns: Patterns) -> None:
        self.patterns = patterns

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens (B, h, w)."""
        return self.patterns.encode(layouts.ids)

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Symbol ids (B, H, W)."""
        return self.patterns.decode(tokens)


def _measure(chosen: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(1, n=chosen.n)
    data = formats.read(chosen.data)
    real = open_real(chosen.run, data, device="cpu", at_most=chosen.at_most)
    system, training = real.system, run_pairs(real, real.about.parts.training, augment=True)
    size, symbols = system.size, len(system.config.symbol_table)
    for cell in chosen.cell:
        if cell < 1 or size[0] % cell or size[1] % cell:
            raise InputError(f"--cell {cell}: must divide {size[0]}x{size[1]}")
    if min(chosen.patterns) < symbols:
        raise InputError(
            f"--patterns {min(chosen.patterns)}: the data have {symbols} symbols; give as many or more"
        )
    held_out = views(
        system.pairs_of(data.subset(real.about.parts.test)), chosen.n, crops=system.geometry.crop
    )
    ids = torch.cat([batch.layouts.ids for batch in held_out])
    rows: list[dict[str, Any]] = []
    places = torch.linspace(0, len(ids) - 1, min(_SHOWN, len(ids))).long()
    shown, titles = [class_colors(ids[places], system)], ["held out"]

    def add(name: str, cell: int, codes: LayoutTokenizer) -> None:
        written = torch.cat([codes.encode_layouts(LayoutBatch(few)) for few in ids.split(AT_ONCE)])
        back, figures = layouts_back(codes, written, ids, system)
        rows.append({"tokens": name, "cell": cell, **figures})
        tell(f"cells of {cell}, {name}: " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
        shown.append(class_colors(back[places], system))
        titles.append(f"{name}, {cell}x{cell}")

    for cell in chosen.cell:
        add("one symbol", cell, LabelMap(symbols, (size[0] // cell, size[1] // cell), size))
        largest = Patterns(symbols, max(chosen.patterns), cell)
        count_patterns(largest, training)
        for entries in sorted(chosen.patterns):
            few = Patterns(symbols, entries, cell)
            few.table.copy_(largest.table[:entries])
            add(f"{entries} patterns", cell, _ByPatterns(few))
    about = {"run": str(chosen.run), "data": data.source, "seed": system.config.request.seed, "n": len(ids)}
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_json(chosen.out / "label_fidelity.json", {**about, "rows": rows})
    sheet(shown, chosen.out / "label_fidelity.png", rows=titles)


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser, draws=False, judges=False)
    parser.add_argument(
        "--cell", type=int, nargs="+", default=[2, 4], help="pixels a side of a cell (default 2 4)"
    )
    parser.add_argument(
        "--patterns",
        type=int,
        nargs="+",
        default=[256, 512, 1024],
        help="entries of a table (default 256 512 1024)",
    )
    parser.add_argument(
        "--n",
        type=int,
        default=512,
        help="held-out views: so many crops or a few more, or else at most (default 512)",
    )
    chosen = parser.parse_args(words)
    return answer(lambda: _measure(chosen, tell))


if __name__ == "__main__":
    sys.exit(main())
