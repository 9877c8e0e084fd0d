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
"""

from __future__ import annotations

from labelmint.systems.config import LayoutPriorSection, PriorSection, Settings, TokenizerSection

__all__ = ["brats", "cityscapes_128x256", "clevr_64", "clevr_192", "malaria", "multi_mnist_64"]

NEVER = 1_000_000_000  # steps or held-out figures: beyond any number of epochs


def clevr_64() -> Settings:
    """Column "CLEVR-64": 25,000 images of 2 to 4 objects."""
    return Settings(
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


def clevr_192() -> Settings:
    """Column "CLEVR-192": 20,000 images of one object in the center and an optional second one."""
    return Settings(
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


def malaria() -> Settings:
    """Column "Malaria": 10,000 patches of 96x96.

    Latent size 24, published 20: strided convolutions of kernel 4 and padding 1, as in the authors' code,
    halve 96 to 48, 24, 12.
    """
    return Settings(
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


def brats() -> Settings:
    """Column "BraTS": 20,000 slices of 240x240."""
    return Settings(
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


def multi_mnist_64() -> Settings:
    """50,000 canvases of 64x64 with three digits. No column is published: that of CLEVR-64, whose images have
    the same size.
    """
    return clevr_64()


def cityscapes_128x256() -> Settings:
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
