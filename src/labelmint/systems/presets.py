"""Presets: functions that return all settings, with the size and the system that they are made for.

The papers' own are in `paper_presets`. `tiny` is for minutes on 2 cores, `small` for about an hour. Both keep
grids short and priors convolutional with one attention a block: on a CPU the length of the token sequence is
what costs. docs/performance.md has the measurements behind the values; `at_once="place"` is its "Fewer
steps". Their decoders end linearly, because tanh can leave dark images black for ever (`nn.strided.Output`).
Layouts are drawn at temperature 1, not at the paper's 0.75: on msgnet's fine grids, where a cell is nearly
always what its neighbor is, and among mint's many patterns, each of them unlikely, a lower one mostly draws
empty layouts. The sizes of systems over VQ-models are in `vq_presets`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from labelmint.errors import InputError
from labelmint.systems import paper_presets, vq_presets
from labelmint.systems.config import LayoutPriorSection, PriorSection, Settings, TokenizerSection

__all__ = ["PRESETS", "Preset", "preset_named"]


class Preset(NamedTuple):
    """Name, default image size (H, W), what it is for, its settings by family of systems, and the system that
    is trained unless another is asked for.
    """

    name: str
    size: tuple[int, int]
    purpose: str
    families: Mapping[str, Callable[[], Settings]]
    system: str = "msgnet"

    def settings(self, family: str | None = None) -> Settings:
        """Of a family (`systems.catalogue`), the preset's first unless told; raises InputError where there
        are none.
        """
        family = family or next(iter(self.families))
        if family not in self.families:
            fitting = ", ".join(name for name, preset in PRESETS.items() if family in preset.families)
            raise InputError(
                f"--preset {self.name}: has no sizes for this system (family {family}); take one of {fitting}"
            )
        return self.families[family]()


def _tiny() -> Settings:
    return Settings(
        tokenizer=TokenizerSection(
            channels=64,
            residual_channels=32,
            codebook_size=64,
            code_dim=32,
            output="linear",
            steps=1000,
            batch_size=32,
        ),
        prior=PriorSection(
            channels=64,
            residual_channels=64,
            blocks=2,
            residual_blocks=2,
            kernel_rows=3,
            kernel_columns=5,
            attention_channels=32,
            steps=3000,
            batch_size=32,
            learning_rate=2e-3,
            token_noise=0.1,
            at_once="place",
        ),
        layout_prior=LayoutPriorSection(
            channels=32,
            residual_channels=32,
            blocks=2,
            residual_blocks=2,
            kernel_rows=3,
            kernel_columns=5,
            attention_channels=32,
            steps=3000,
            batch_size=32,
            learning_rate=2e-3,
            scale=2,
            temperature=1.0,
            token_noise=0.0,
            dropout=0.0,
        ),
    )


def _small() -> Settings:
    return Settings(
        tokenizer=TokenizerSection(
            channels=64,
            residual_channels=64,
            codebook_size=128,
            code_dim=32,
            output="linear",
            upsampling="resize",
            steps=6000,
            batch_size=32,
            share=0.2,
        ),
        prior=PriorSection(
            channels=64,
            residual_channels=64,
            blocks=2,
            residual_blocks=3,
            kernel_rows=3,
            kernel_columns=5,
            attention_channels=64,
            steps=6000,
            batch_size=16,
            learning_rate=1e-3,
            token_noise=0.05,
            at_once="place",
            share=0.45,
        ),
        layout_prior=LayoutPriorSection(
            channels=48,
            residual_channels=48,
            blocks=2,
            residual_blocks=2,
            kernel_rows=3,
            kernel_columns=5,
            attention_channels=32,
            steps=4000,
            batch_size=32,
            learning_rate=2e-3,
            scale=2,
            temperature=1.0,
            token_noise=0.0,
            dropout=0.0,
            share=0.35,
        ),
    )


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "tiny", (32, 32), "minutes on 2 cores, 32x32 pixels", {**vq_presets.TINY, "msgnet": _tiny}, "mint"
        ),
        Preset(
            "small",
            (64, 64),
            "about an hour on 2 cores, 64x64 or 96x96 pixels",
            {**vq_presets.SMALL, "msgnet": _small},
            "mint",
        ),
        Preset(
            "clevr-64",
            (64, 64),
            "MSGNet's CLEVR of 2 to 4 objects; a GPU",
            {"msgnet": paper_presets.clevr_64},
        ),
        Preset(
            "clevr-192",
            (192, 192),
            "MSGNet's CLEVR of 1 or 2 objects; a GPU",
            {"msgnet": paper_presets.clevr_192},
        ),
        Preset("malaria", (96, 96), "MSGNet's malaria patches; a GPU", {"msgnet": paper_presets.malaria}),
        Preset("brats", (240, 240), "MSGNet's brain slices; a large GPU", {"msgnet": paper_presets.brats}),
        Preset(
            "multi-mnist-64",
            (64, 64),
            "MSGNet's three digits; a GPU",
            {"msgnet": paper_presets.multi_mnist_64},
        ),
        Preset(
            "cityscapes-128x256",
            (128, 256),
            "MSGNet's street scenes, no layout prior; a large GPU",
            {"msgnet": paper_presets.cityscapes_128x256},
            system="pre-msgnet",
        ),
        Preset(
            "svq-256",
            (256, 256),
            "the coupled VQ-model's scenes; a large GPU",
            vq_presets.PUBLISHED,
            system="svqgan-t",
        ),
    )
}


def preset_named(name: str) -> Preset:
    """The preset of a name; raises InputError naming the nearest."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.3)
        raise InputError(
            f"there is no preset {name!r}; {f'did you mean {near[0]!r}? ' if near else ''}known: "
            f"{', '.join(PRESETS)}"
        )
    return PRESETS[name]
