"""Settings of the systems over VQ-models, by family: "vqvae" and "vqgan" have a transformer, "mint" is our
own.

VQ-VAE and VQGAN differ in their objective: squared error alone, or absolute error with a perceptual distance
and an adversary. Without `tokenizer.vgg` the distance is that of structure (`objectives.structure`). On a CPU
the finest level works on patches: a convolution at full size and width costs more than all others together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labelmint.systems.config import (
    LayoutPriorSection,
    LayoutTokenizerSection,
    LayoutTransformerSection,
    PriorSection,
    Settings,
    TransformerSection,
    VQModelSection,
)

__all__ = ["PUBLISHED", "SMALL", "TINY"]

Family = Mapping[str, Callable[[], Settings]]

_GAN: dict[str, Any] = {"error": "absolute", "distance": 1.0, "adversary": 0.8}


def _tiny(tokenizer: Mapping[str, Any]) -> Settings:
    levels: dict[str, Any] = {
        "patch": 2,
        "channels": 32,
        "multipliers": (1, 2),
        "code_dim": 32,
        "attention_below": 0,
    }
    learning: dict[str, Any] = {"steps": 1000, "batch_size": 32, "learning_rate": 2e-3}
    return Settings(
        tokenizer=VQModelSection(
            **{
                **levels,
                **learning,
                "codebook_size": 64,
                "semantic_codebook_size": 32,
                "discriminator_channels": 16,
                "discriminator_layers": 1,
                "discriminator_learning_rate": 2e-4,
                **tokenizer,
            }
        ),
        layout_tokenizer=LayoutTokenizerSection(**levels, **learning, semantic_codebook_size=32, share=0.1),
        prior=TransformerSection(
            width=96,
            layers=4,
            heads=4,
            key_value_heads=1,
            condition="aligned",
            steps=3000,
            batch_size=32,
            token_noise=0.1,
        ),
        layout_prior=LayoutTransformerSection(
            width=64,
            layers=3,
            heads=4,
            key_value_heads=1,
            steps=3000,
            batch_size=32,
            temperature=1.0,
            token_noise=0.0,
        ),
    )


def _small(tokenizer: Mapping[str, Any]) -> Settings:
    levels: dict[str, Any] = {
        "patch": 2,
        "channels": 32,
        "multipliers": (1, 2),
        "code_dim": 32,
        "attention_below": 0,
    }
    learning: dict[str, Any] = {"steps": 6000, "batch_size": 16, "learning_rate": 1e-3}
    return Settings(
        tokenizer=VQModelSection(
            **{
                **levels,
                **learning,
                "codebook_size": 256,
                "semantic_codebook_size": 64,
                "discriminator_channels": 32,
                "discriminator_layers": 2,
                "discriminator_learning_rate": 2e-4,
                "share": 0.35,
                **tokenizer,
            }
        ),
        layout_tokenizer=LayoutTokenizerSection(**levels, **learning, semantic_codebook_size=64, share=0.15),
        prior=TransformerSection(
            width=192,
            layers=6,
            heads=6,
            key_value_heads=2,
            condition="aligned",
            steps=6000,
            batch_size=16,
            token_noise=0.05,
            share=0.5,
        ),
        layout_prior=LayoutTransformerSection(
            width=128,
            layers=4,
            heads=4,
            key_value_heads=1,
            steps=4000,
            batch_size=32,
            temperature=1.0,
            token_noise=0.0,
            share=0.25,
        ),
    )


def _published(tokenizer: Mapping[str, Any]) -> Settings:
    """Taming transformers' sizes with the codebooks of the sVQ paper, whose own transformer, batches and
    rates are not published.
    """
    levels: dict[str, Any] = {
        "channels": 128,
        "multipliers": (1, 1, 2, 2, 4),
        "residual_blocks": 2,
        "code_dim": 256,
        "attention_below": 17,
        "codebook": "loss",
    }
    learning: dict[str, Any] = {"steps": 500_000, "batch_size": 12, "learning_rate": 4.5e-6 * 12}
    return Settings(
        tokenizer=VQModelSection(
            **levels, **learning, **tokenizer, codebook_size=16_384, semantic_codebook_size=4096, share=0.35
        ),
        layout_tokenizer=LayoutTokenizerSection(
            **levels, **learning, semantic_codebook_size=4096, share=0.15
        ),
        prior=TransformerSection(
            width=1024,
            layers=24,
            heads=16,
            key_value_heads=16,
            condition="prefix",
            steps=500_000,
            batch_size=16,
            learning_rate=4.5e-6 * 16,
            token_noise=0.0,
            share=0.5,
        ),
        layout_prior=LayoutTransformerSection(
            width=512,
            layers=12,
            heads=8,
            key_value_heads=8,
            steps=500_000,
            batch_size=32,
            learning_rate=1e-4,
            temperature=1.0,
            token_noise=0.0,
            share=0.25,
        ),
    )


def _mint_tiny() -> Settings:
    return _with_pixelsnail(
        _tiny({**_OWN, "codebook_size": 128, "semantic_codebook_size": 512}), _TINY_SNAIL, 0.1
    )


def _mint_small() -> Settings:
    return _with_pixelsnail(_small({**_OWN, "semantic_codebook_size": 512}), _SMALL_SNAIL, 0.05)


_OWN: dict[str, Any] = {"image_encoder": "local", "image_decoder": "local", "layout_encoder": "patterns"}
_TINY_SNAIL: dict[str, Any] = {
    "channels": 48,
    "residual_channels": 48,
    "blocks": 2,
    "residual_blocks": 2,
    "kernel_rows": 3,
    "kernel_columns": 5,
    "attention_channels": 32,
    "steps": 3000,
    "batch_size": 32,
    "learning_rate": 2e-3,
}
_SMALL_SNAIL: dict[str, Any] = {
    "channels": 64,
    "residual_channels": 64,
    "blocks": 2,
    "residual_blocks": 3,
    "kernel_rows": 3,
    "kernel_columns": 5,
    "attention_channels": 64,
    "steps": 6000,
    "batch_size": 16,
    "learning_rate": 1e-3,
}


def _with_pixelsnail(settings: Settings, sizes: Mapping[str, Any], noise: float) -> Settings:
    """A convolutional prior learns short grids with fewer steps of two cores than a transformer does."""
    return Settings(
        tokenizer=settings.tokenizer,
        prior=PriorSection(**sizes, token_noise=noise, at_once="place", share=settings.prior.share),
        layout_prior=LayoutPriorSection(
            **sizes, token_noise=0.0, temperature=1.0, share=settings.layout_prior.share
        ),
    )


def _gan(settings: Callable[[Mapping[str, Any]], Settings]) -> Callable[[], Settings]:
    return lambda: settings(_GAN)


def _vae(settings: Callable[[Mapping[str, Any]], Settings]) -> Callable[[], Settings]:
    return lambda: settings({})


TINY: Family = {"mint": _mint_tiny, "vqvae": _vae(_tiny), "vqgan": _gan(_tiny)}
SMALL: Family = {"mint": _mint_small, "vqvae": _vae(_small), "vqgan": _gan(_small)}
PUBLISHED: Family = {"vqgan": _gan(_published), "vqvae": _vae(_published), "mint": _vae(_published)}
