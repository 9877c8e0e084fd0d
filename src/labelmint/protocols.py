"""The interfaces between the parts. Whatever has these methods is such a part; nothing has to inherit from
anything.

An annotated image is a layout s and an image x drawn together, p(s, x) = p(s) p(x | s). A `LayoutSource`
draws s, an `ImageGenerator` draws x given s; the two-stage generator is a `Prior` over the tokens of a
`Tokenizer`. Shapes follow the legend in `labelmint.types`. Losses stay off these interfaces: objectives take
the modules themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from labelmint.errors import InputError

if TYPE_CHECKING:  # the command line reads dials from here, and is to start at once
    from torch import Tensor

    from labelmint.seeds import Seed
    from labelmint.types import Batch, Kept, LayoutBatch

__all__ = [
    "AnyPrior",
    "Coded",
    "Condition",
    "Decoding",
    "Dial",
    "Dials",
    "GroupedPrior",
    "ImageGenerator",
    "Keeping",
    "LayoutSource",
    "LayoutToImage",
    "LayoutTokenizer",
    "Moving",
    "Noise",
    "Prior",
    "State",
    "Stream",
    "Streamed",
    "Styled",
    "Tokenizer",
    "Upscaler",
    "in_digits",
]

Condition: TypeAlias = Any  # what a prior makes of its condition, once a batch
Dials: TypeAlias = Mapping[str, float]  # the value of each dial, by its name
State: TypeAlias = Any  # what a prior keeps between steps: preallocated, mutated in place


class Stream(NamedTuple):
    """One grid of tokens: its name, how many codes there are, and its height and width."""

    name: str
    codebook_size: int
    grid: tuple[int, int]


@runtime_checkable
class Tokenizer(Protocol):
    """Image or layout <-> grids of codebook indices."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The grids, in the order in which they are drawn."""

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """One (B, h, w) int64 tensor a stream, in [0, K)."""

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Image (B, C, H, W) in [-1, 1]; a layout tokenizer returns symbol ids (B, H, W).

        A decoder may see the layouts that the tokens were encoded, or drawn, with; then it needs them.
        """


@runtime_checkable
class LayoutTokenizer(Protocol):
    """Layout <-> one grid of codebook indices, without an image."""

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens (B, h, w)."""

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) -> symbol ids (B, H, W)."""


@runtime_checkable
class AnyPrior(Protocol):
    """What all priors over a (h, w) grid of tokens have; in which steps they draw it is their own."""

    @property
    def codebook_size(self) -> int:
        """K, the number of values of a token."""

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w)."""

    def prepare(self, condition: LayoutBatch | None) -> Condition:
        """What the condition contributes, computed once a batch."""

    def logits(self, tokens: Tensor, condition: Condition) -> Tensor:
        """(B, h, w) -> (B, K, h, w); a position sees only tokens of steps before its own."""

    def start(self, batch_size: int, condition: Condition, reuse: State = None) -> State:
        """A state for `step`, in the memory of a state of the same batch size that is no longer needed, if
        one is given.
        """


@runtime_checkable
class Prior(AnyPrior, Protocol):
    """log p(z | condition) = sum_i log p(z_i | z_<i, condition), i in raster order over the grid."""

    def step(self, previous: Tensor | None, state: State) -> Tensor:
        """Logits (B, K) of the next position, given the token (B,) at the one before (None at the first)."""


@runtime_checkable
class GroupedPrior(AnyPrior, Protocol):
    """log p(z | condition) = sum_t sum_g log p(z_tg | z_<t, condition): the tokens of a step are drawn at
    once, independent of each other.
    """

    @property
    def order(self) -> Tensor:
        """Where the tokens of each step stand, (steps, G), in raster order of the grid; every position once."""

    def step(self, previous: Tensor | None, state: State) -> Tensor:
        """Logits (B, K, G) of the next step, given the tokens (B, G) of the one before (None at the first)."""


class Dial(NamedTuple):
    """A number that a part heeds when it draws: an option of `synthesize`, a line of every sample's provenance.

    Attributes:
        name: as in `--layout-temperature`, with underscores.
        usual: its value unless another is given. least, most: its range, both included.
        says: what it does, a sentence for `--help`.
        whole: whether it counts something.
        named: whether the command line has an option of its name; any other is `--dial NAME=VALUE`.
    """

    name: str
    usual: float
    least: float
    most: float
    says: str
    whole: bool = False
    named: bool = False

    @property
    def option(self) -> str:
        """Its option on the command line, without a value."""
        return f"--{self.name.replace('_', '-')}" if self.named else f"--dial {self.name}"

    def given(self, value: float) -> str:
        """A value of it on the command line."""
        return f"{self.option}{' ' if self.named else '='}{in_digits(value)}"

    def check(self, value: float) -> None:
        """Raise InputError for a value out of range."""
        if not self.least <= value <= self.most or (self.whole and value != int(value)):
            kind = "a whole number" if self.whole else "a number"
            raise InputError(f"{self.given(value)}: expected {kind} from {self.least:g} to {self.most:g}")


def in_digits(value: float) -> str:
    """A number as the shortest text that gives it back."""
    return repr(float(value)).removesuffix(".0")


@runtime_checkable
class LayoutSource(Protocol):
    """p(s): whatever draws layouts."""

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """One layout a seed; `dials` holds a value for each of its dials, and may hold others."""

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that drawing `batch_size` layouts at once takes, in bytes."""


@runtime_checkable
class ImageGenerator(Protocol):
    """p(x given s): whatever draws images for layouts."""

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""

    @property
    def random(self) -> bool:
        """True if another seed gives another image of the same layout."""

    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], one a layout; row r depends on layout r and seed r alone."""

    def given_back(self, batch: Batch) -> Tensor | None:
        """Images as the generator gives them back, decoded from what it encodes of them; None where it encodes
        none: a sample is no reconstruction.
        """

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that drawing `batch_size` images at once takes, in bytes."""


@runtime_checkable
class Keeping(Protocol):
    """An image generator that writes pairs in tokens, so that parts of given ones can be kept."""

    @property
    def needs_references(self) -> bool:
        """True if layouts are written in tokens together with their images only."""

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of images and of their layouts, (B, h, w) each."""


@runtime_checkable
class Decoding(Protocol):
    """An image generator that decodes its images from tokens."""

    tokenizer: Tokenizer


@runtime_checkable
class Streamed(Protocol):
    """A layout source or an image generator that draws from several streams of random numbers, each of which can be
    drawn anew while the others stay.
    """

    @property
    def streams(self) -> tuple[str, ...]:
        """Their names, which are those of its stages in `labelmint.seeds`; empty where there is one."""


@runtime_checkable
class Styled(Protocol):
    """An image generator that can take the style of a reference image, in place of one drawn by seed."""

    @property
    def finds_styles(self) -> bool:
        """True if an encoder finds the style of an image that comes without its layout."""

    def style_of(self, image: Tensor) -> Tensor:
        """Styles (B, D) of images (B, C, H, W) in [-1, 1]."""

    def in_style(self, layouts: LayoutBatch, seeds: Sequence[Seed], style: Tensor, dials: Dials) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of layouts, all in one style (1, D); what else is random goes by seed."""


@runtime_checkable
class Moving(Protocol):
    """An image generator whose images are training images, moved."""

    def sources(self, layouts: LayoutBatch, seeds: Sequence[Seed]) -> list[dict[str, str]]:
        """The names of the training images that `sample` makes each image of, by the part that they have in it."""


@runtime_checkable
class Upscaler(Protocol):
    """Whatever makes images larger by a whole factor."""

    @property
    def factor(self) -> int:
        """f, how many times as many pixels a side images get."""

    def enlarge(self, images: Tensor) -> Tensor:
        """Images (B, C, h, w) of any size -> (B, C, f h, f w), all in [-1, 1]; each depends on itself alone."""

    def enlarging_bytes(self, batch_size: int, size: tuple[int, int]) -> int:
        """Memory that enlarging `batch_size` images of (h, w) takes, in bytes."""


class Noise(NamedTuple):
    """Random numbers that a network takes for each image.

    Attributes:
        kind: "normal", or "uniform" in [0, 1). shape: of all of them.
        streams: names and lengths of the parts of the first dimension that are drawn from streams of their own, in
            order; none: all are drawn from one.
    """

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]
    streams: tuple[tuple[str, int], ...] = ()


@runtime_checkable
class Coded(Protocol):
    """An image generator whose images are functions of a layout and a code: the noise of its network, all at once."""

    @property
    def noise(self) -> Noise | None:
        """What a code consists of; None: it makes one image a layout."""

    def codes(self, seeds: Sequence[Seed]) -> Tensor | None:
        """The codes (B, *shape) that `sample` takes for these seeds, on the CPU; None without noise."""

    def of_codes(self, layouts: LayoutBatch, codes: Tensor | None, dials: Dials) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], row r of layout r and code r alone."""


@runtime_checkable
class LayoutToImage(Protocol):
    """A network that makes images of layouts in one call; `generators.network.OneNetwork` draws with it.

    It is an `nn.Module`; this is all that the file of such a generator holds.
    """

    @property
    def noise(self) -> Noise | None:
        """What it takes for each image; None: it makes one image a layout."""

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""

    def __call__(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of layouts and noise (B, *shape)."""
