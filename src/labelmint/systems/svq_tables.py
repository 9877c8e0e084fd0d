"""Presets of the systems over VQ-models with a transformer.

VQ-VAE and VQGAN differ in their objective: squared error alone, or absolute error with a perceptual distance
and an adversary. Without `tokenizer.vgg` the distance is that of structure (`objectives.structure`). On a CPU
the finest level works on patches: a convolution at full size and width costs more than all others together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from labelmint.systems.sections import TransformerSection
from labelmint.systems.svq_sections import ImageTokenizerSection, LayoutTokenizerSection, UncoupledSections

__all__ = ["VQGAN", "VQVAE", "small", "svq_256", "tiny"]

_GAN: dict[str, Any] = {"error": "absolute", "distance": 1.0, "adversary": 0.8}


def tiny(tokenizer: Mapping[str, Any]) -> UncoupledSections:
    """For minutes on 2 cores; `tokenizer` holds further values of its section."""
    levels: dict[str, Any] = {
        "patch": 2,
        "channels": 32,
        "multipliers": (1, 2),
        "code_dim": 32,
        "attention_below": 0,
    }
    learning: dict[str, Any] = {"steps": 1000, "batch_size": 32, "learning_rate": 2e-3}
    return UncoupledSections(
        tokenizer=ImageTokenizerSection(
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
    )


def small(tokenizer: Mapping[str, Any]) -> UncoupledSections:
    """For about an hour on 2 cores; `tokenizer` as in `tiny`."""
    levels: dict[str, Any] = {
        "patch": 2,
        "channels": 32,
        "multipliers": (1, 2),
        "code_dim": 32,
        "attention_below": 0,
    }
    learning: dict[str, Any] = {"steps": 6000, "batch_size": 16, "learning_rate": 1e-3}
    return UncoupledSections(
        tokenizer=ImageTokenizerSection(
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
    )


def svq_256(tokenizer: Mapping[str, Any]) -> UncoupledSections:
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
    return UncoupledSections(
        tokenizer=ImageTokenizerSection(
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
    )


def _presets(tokenizer: Mapping[str, Any]) -> dict[str, Callable[[], UncoupledSections]]:
    tables = {"tiny": tiny, "small": small, "svq-256": svq_256}
    return {name: partial(table, tokenizer) for name, table in tables.items()}


VQVAE, VQGAN = _presets({}), _presets(_GAN)
