"""Presets of MSGNet's papers: one function a column of Tables 4, 5 and 6 (long paper; 2, 3 and 4 of the short
one).

Table 4 is `tokenizer`, Table 5 `prior`, Table 6 `layout_prior`. What no column gives:

* four blocks, kernels of two rows above and the own one by five columns, attention on maps narrower than 64,
    and the layout on the
  grid of the tokens (`condition_scale`, `scale` 1), drawn at temperature 0.75: the authors' code for CLEVR at
      192x192;
* the codebook learns by its loss, as Equation 1 has it;
* no weight decay and no token noise: neither is published. `epochs` and iterations decide when training ends;
    `steps` of the priors and
  `patience` never do. The average of the weights that does best on held-out pairs is kept all the same.

Where ours differs from a published number, that number stands beside it. "Output residual blocks" are 0 in
all columns, and the architecture has none; the hidden and the residual dim of each prior are equal in all
columns. "Layout embedding dim" of Table 6 (64, 32, 64, 64) has no setting: a layout prior embeds its symbols
as wide as its hidden dim. The schedule is one cycle for all parts.

`tiny` is for minutes on 2 cores, `small` for about an hour. Both keep grids short and priors convolutional with
one attention a block: on a CPU the length of the token sequence is what costs. docs/performance.md has the
measurements behind the values; `at_once="place"` is its "Fewer steps". Their decoders end linearly, because tanh
can leave dark images black for ever (`nn.strided.Output`). Layouts are drawn at temperature 1, not at the paper's
0.75: on fine grids, where a cell is nearly always what its neighbor is, a lower one mostly draws empty layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labelmint.systems.msgnet_sections import MSGNetSections, TokenizerSection
from labelmint.systems.sections import LayoutPriorSection, PriorSection

__all__ = ["PRESETS"]

NEVER = 1_000_000_000  # steps or held-out figures: beyond any number of epochs


def clevr_64() -> MSGNetSections:
    """Column "CLEVR-64": 25,000 images of 2 to 4 objects."""
    return MSGNetSections(
        tokenizer=_tokenizer(
            # latent size 16
            batch_size=64,
            channels=128,
            codebook_size=256,
            downsamplings=2,
            learning_rate=1e-3,
            steps=25_000,
        ),
        prior=_prior(
            batch_size=32,
            channels=256,
            condition_residual_channels=64,
            condition_embedding=64,
            attention_channels=128,
            dropout=0.1,
            epochs=60,
        ),
        layout_prior=_layout_prior(
            batch_size=64,
            channels=64,
            residual_blocks=2,
            attention_channels=32,
            learning_rate=3e-4,
            epochs=20,
        ),
    )


def clevr_192() -> MSGNetSections:
    """Column "CLEVR-192": 20,000 images of one object in the center and an optional second one."""
    return MSGNetSections(
        tokenizer=_tokenizer(
            # latent size 24
            batch_size=32,
            channels=128,
            codebook_size=256,
            downsamplings=3,
            learning_rate=8e-4,
            steps=50_000,
        ),
        prior=_prior(
            batch_size=16,
            channels=128,
            condition_residual_channels=64,
            condition_embedding=128,
            attention_channels=64,
            dropout=0.15,
            epochs=75,
        ),
        layout_prior=_layout_prior(
            batch_size=32,
            channels=128,
            residual_blocks=2,
            attention_channels=64,
            learning_rate=1e-4,
            epochs=15,
        ),
    )


def malaria() -> MSGNetSections:
    """Column "Malaria": 10,000 patches of 96x96.

    Latent size 24, published 20: strided convolutions of kernel 4 and padding 1, as in the authors' code,
    halve 96 to 48, 24, 12.
    """
    return MSGNetSections(
        tokenizer=_tokenizer(
            batch_size=32, channels=256, codebook_size=128, downsamplings=2, learning_rate=8e-4, steps=80_000
        ),
        prior=_prior(
            batch_size=16,
            channels=128,
            condition_residual_channels=64,
            condition_embedding=32,
            attention_channels=64,
            dropout=0.15,
            epochs=50,
        ),
        layout_prior=_layout_prior(
            batch_size=32,
            channels=128,
            residual_blocks=3,
            attention_channels=64,
            learning_rate=1e-4,
            epochs=15,
        ),
    )


def brats() -> MSGNetSections:
    """Column "BraTS": 20,000 slices of 240x240."""
    return MSGNetSections(
        tokenizer=_tokenizer(
            # latent size 30
            batch_size=16,
            channels=256,
            codebook_size=128,
            downsamplings=3,
            learning_rate=8e-4,
            steps=50_000,
        ),
        prior=_prior(
            batch_size=16,
            channels=256,
            condition_residual_channels=128,
            condition_embedding=64,
            attention_channels=128,
            dropout=0.15,
            epochs=75,
        ),
        layout_prior=_layout_prior(
            batch_size=32,
            channels=128,
            residual_blocks=3,
            attention_channels=64,
            learning_rate=1e-4,
            epochs=20,
        ),
    )


def multi_mnist_64() -> MSGNetSections:
    """50,000 canvases of 64x64 with three digits. No column is published: that of CLEVR-64, whose images have
    the same size.
    """
    return clevr_64()


def cityscapes_128x256() -> MSGNetSections:
    """Cityscapes, 128 high and 256 wide, to 32x64 codes ("256x128 sized images with a network latent size of
    64x32", short paper).

    No column is published: that of CLEVR-192 but for the strided convolutions, of which two lead to that
    latent size. The papers allow attention on maps less than 64 wide and high, which would leave an attention
    path without any; here it acts on 32x64.
    """
    settings = clevr_192()
    return settings.model_copy(
        update={"tokenizer": settings.tokenizer.model_copy(update={"downsamplings": 2})}
    )


def tiny() -> MSGNetSections:
    """For minutes on 2 cores."""
    return MSGNetSections(
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


def small() -> MSGNetSections:
    """For about an hour on 2 cores."""
    return MSGNetSections(
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


def _tokenizer(
    *,
    batch_size: int,
    channels: int,
    codebook_size: int,
    downsamplings: int,
    learning_rate: float,
    steps: int,
) -> TokenizerSection:
    """A column of Table 4; what is the same in all of them stands here."""
    return TokenizerSection(
        batch_size=batch_size,
        channels=channels,
        residual_channels=64,
        residual_blocks=2,
        code_dim=64,  # "codebook size"
        codebook_size=codebook_size,  # "codebook num"
        downsamplings=downsamplings,
        commitment=0.25,
        learning_rate=learning_rate,
        steps=steps,
        codebook="loss",
        attention_below=64,
        evaluate_every=1000,
    )


def _prior(
    *,
    batch_size: int,
    channels: int,
    condition_residual_channels: int,
    condition_embedding: int,
    attention_channels: int,
    dropout: float,
    epochs: int,
) -> PriorSection:
    """A column of Table 5; what is the same in all of them stands here."""
    return PriorSection(
        batch_size=batch_size,
        channels=channels,
        residual_channels=channels,
        residual_blocks=3,
        condition_residual_blocks=2,
        condition_residual_channels=condition_residual_channels,
        condition_channels=condition_residual_channels,
        condition_embedding=condition_embedding,  # "condition layout dim"
        condition_scale=1,
        attention_channels=attention_channels,
        attention_heads=8,
        dropout=dropout,
        learning_rate=3e-4,
        epochs=epochs,
        blocks=4,
        kernel_rows=3,
        kernel_columns=5,
        steps=NEVER,
        patience=NEVER,
        evaluate_every=1000,
        weight_decay=0.0,
        token_noise=0.0,
    )


def _layout_prior(
    *,
    batch_size: int,
    channels: int,
    residual_blocks: int,
    attention_channels: int,
    learning_rate: float,
    epochs: int,
) -> LayoutPriorSection:
    """A column of Table 6; what is the same in all of them stands here."""
    return LayoutPriorSection(
        batch_size=batch_size,
        channels=channels,
        residual_channels=channels,
        residual_blocks=residual_blocks,
        attention_channels=attention_channels,
        attention_heads=8,
        dropout=0.15,
        learning_rate=learning_rate,
        epochs=epochs,
        scale=1,
        temperature=0.75,
        blocks=4,
        kernel_rows=3,
        kernel_columns=5,
        steps=NEVER,
        patience=NEVER,
        evaluate_every=1000,
        weight_decay=0.0,
        token_noise=0.0,
    )


PRESETS: Mapping[str, Callable[[], MSGNetSections]] = {
    "tiny": tiny,
    "small": small,
    "clevr-64": clevr_64,
    "clevr-192": clevr_192,
    "malaria": malaria,
    "brats": brats,
    "multi-mnist-64": multi_mnist_64,
    "cityscapes-128x256": cityscapes_128x256,
}
