"""What the families of systems wire alike: priors as their section says, and sizes that a grid of tokens
fits.
"""

from __future__ import annotations

from torch import nn

from labelmint.errors import InputError
from labelmint.priors.grouped import PlacePixelSNAIL
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.priors.transformer import TransformerPrior
from labelmint.protocols import Stream
from labelmint.systems.config import PriorSection, TransformerSection

__all__ = ["check_multiples", "prior_of"]


def prior_of(
    config: PriorSection | TransformerSection,
    codebook_size: int,
    grid: tuple[int, int],
    stack: int = 1,
    symbols: int = 0,
    given: Stream | None = None,
) -> nn.Module:
    """A prior over `stack` paths of tokens, given layouts of so many symbols, or the tokens of a stream;
    given nothing where both lack.

    To a PixelSNAIL tokens are a layout of as many symbols as there are codes, a cell each. It draws as much
    at once as it is told; with one path a place holds one token.
    """
    if isinstance(config, TransformerSection):
        return TransformerPrior(config, codebook_size, grid, stack, symbols, given)
    if given is not None:
        config, symbols = config.model_copy(update={"condition_scale": 1}), given.codebook_size
    if config.at_once == "row":
        return RowPixelSNAIL(config, codebook_size, grid, stack, symbols)
    if config.at_once == "place" and stack > 1:
        return PlacePixelSNAIL(config, codebook_size, grid, stack, symbols)
    return PixelSNAIL(config, codebook_size, grid, stack, symbols)


def check_multiples(size: tuple[int, int], token: int) -> None:
    """Raise InputError, naming the nearest size that fits, unless tokens of so many pixels a side fill the
    size.
    """
    if any(side < token or side % token for side in size):
        fits = "x".join(str(max(round(side / token), 1) * token) for side in size)
        raise InputError(
            f"--size {size[0]}x{size[1]}: the token grid needs multiples of {token} pixels; the nearest size "
            f"that fits is {fits}"
        )
