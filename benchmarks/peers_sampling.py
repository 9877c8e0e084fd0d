"""Drawing a grid of tokens, one after the other and exactly: our PixelSNAIL against transformers of as many
parameters.

    labelmint        `AncestralSampler` on a PixelSNAIL of the published sizes, timed whole
    MONAI            `VQVAETransformerInferer.sample` on a `DecoderOnlyTransformer`, with or without fused
                     attention, whichever is faster here. It computes all tokens again for each new one, so
                     single draws are timed at evenly spread positions, and each stands for those around it
    x-transformers   `AutoregressiveWrapper.generate` with cached keys and values, fused attention, all tokens
                     allowed; timed whole

None has a condition, and no image is decoded. Parameters are those that take effect: without the weights that
a causal kernel masks, and without MONAI's normalization before a cross-attention that is not there. The
peers' are within 5 % of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from monai.inferers.inferer import VQVAETransformerInferer
from monai.networks.nets.transformer import DecoderOnlyTransformer
from monai.utils.ordering import Ordering
from torch import Tensor, nn
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

from benchmarks.machine import in_turns, median_seconds, operations_of
from benchmarks.peers_vqvae import OURS, rows_of
from benchmarks.sampling import CODES, CPU, made, operations
from labelmint.nn.causal import CausalConv2d
from labelmint.priors.ancestral import AncestralSampler
from labelmint.seeds import uniforms

__all__ = ["compare_samplers", "monai_draw", "monai_transformer", "x_transformer"]

# the token before the first; width of a head; of the number of parameters
BEGIN, HEAD, WITHIN = CODES, 64, 0.05
MONAI, X_TRANSFORMERS = "MONAI VQVAETransformerInferer", "x-transformers, cached"


def compare_samplers(
    grid: tuple[int, int], channels: int, batch: int, positions: int, repeat: int
) -> list[dict[str, Any]]:
    """Rows of the three sides at one batch size; tokens_per_s, and for MONAI how many positions were timed."""
    prior, tokens = made(grid, channels, symbols=0), grid[0] * grid[1]
    wanted = parameters_in_effect(prior)
    sampler = AncestralSampler(prior)
    numbers = uniforms([(0, index) for index in range(batch)], "image", tokens)
    cached = of_as_many_parameters(x_transformer, wanted, tokens)
    generator = AutoregressiveWrapper(cached)
    plain, fused = (
        of_as_many_parameters(make, wanted, tokens)
        for make in (monai_transformer(False), monai_transformer(True))
    )
    anew = min(
        (plain, fused), key=lambda model: median_seconds(lambda: monai_draw(model, batch, tokens // 2), 2)
    )
    shares = _spread(tokens, positions)

    def generate(items: int) -> Tensor:
        begin = torch.full((items, 1), BEGIN)
        drawn: Tensor = generator.generate(
            begin, tokens, filter_logits_fn=lambda logits: logits, cache_kv=True
        )
        return drawn

    draws = {f"{MONAI} {drawn}": lambda drawn=drawn: monai_draw(anew, batch, drawn) for drawn in shares}
    whole = {OURS: lambda: sampler.draw(None, numbers, 1.0, CPU), X_TRANSFORMERS: lambda: generate(batch)}
    measured = in_turns({**whole, **draws}, repeat)
    times = {side: measured[side] for side in whole}
    times[MONAI] = [
        sum(measured[f"{MONAI} {drawn}"][turn] * share for drawn, share in shares.items())
        for turn in range(repeat)
    ]
    parameters = {
        OURS: wanted,
        X_TRANSFORMERS: parameters_in_effect(cached),
        MONAI: parameters_in_effect(anew),
    }
    counted = {
        OURS: operations(prior) * batch,
        X_TRANSFORMERS: operations_of(lambda: generate(1)) * batch,
        MONAI: sum(operations_of(draws[f"{MONAI} {drawn}"]) * share for drawn, share in shares.items()),
    }
    what = f"drawing {tokens} tokens of {CODES} values"
    rows = rows_of("sampling", f"{tokens} tokens", what, batch, times, parameters, counted)
    for row in rows:
        row["tokens_per_s"] = batch * tokens / row["seconds"]
        row["timed_positions"] = len(shares) if row["side"] == MONAI else tokens
    return rows


def _spread(tokens: int, positions: int) -> dict[int, int]:
    """Positions to be timed, each in the middle of those that it stands for: {tokens drawn before: how many
    it stands for}.
    """
    edges = [round(i * tokens / min(positions, tokens)) for i in range(min(positions, tokens) + 1)]
    return {(first + last - 1) // 2: last - first for first, last in zip(edges, edges[1:], strict=False)}


@torch.no_grad()
def monai_draw(model: DecoderOnlyTransformer, batch: int, drawn: int) -> Tensor:
    """MONAI's inferer draws one more token after so many; what it would decode is handed back."""
    begun = torch.randint(CODES, (batch, 1 + drawn))
    begun[:, 0] = BEGIN
    nothing_decoded: Any = SimpleNamespace(num_embeddings=CODES, decode_samples=lambda latent: latent)
    ordering = Ordering("raster_scan", 2, (1, 1, 1))
    found: Tensor = VQVAETransformerInferer().sample(
        (1, 1), begun, nothing_decoded, model, ordering, verbose=False
    )
    return found


def monai_transformer(fused: bool) -> Callable[[int, int, int], DecoderOnlyTransformer]:
    """(width, depth, tokens) -> MONAI's transformer."""
    return lambda width, depth, tokens: DecoderOnlyTransformer(
        CODES + 1, tokens, width, depth, width // HEAD, use_combined_linear=True, use_flash_attention=fused
    )


def x_transformer(width: int, depth: int, tokens: int) -> nn.Module:
    """The transformer of x-transformers."""
    layers = Decoder(dim=width, depth=depth, heads=width // HEAD, attn_dim_head=HEAD, attn_flash=True)
    model: nn.Module = TransformerWrapper(num_tokens=CODES + 1, max_seq_len=tokens + 1, attn_layers=layers)
    return model


def of_as_many_parameters(make: Callable[[int, int, int], Any], wanted: int, tokens: int) -> Any:
    """A transformer with so many parameters and about 8 layers, in evaluation mode."""
    for depth in sorted(range(2, 17), key=lambda layers: abs(layers - 8)):
        width = HEAD * max(round((wanted / 12 / depth) ** 0.5 / HEAD), 1)  # a layer has 12 width^2
        with torch.device("meta"):
            found = parameters_in_effect(make(width, depth, tokens))
        if abs(found / wanted - 1) <= WITHIN:
            return make(width, depth, tokens).eval()
    raise SystemExit(
        f"benchmarks.peers: no transformer has about {wanted} parameters; take another --channels"
    )


def parameters_in_effect(model: nn.Module) -> int:
    """All but those that change nothing."""
    masked = sum(
        module.weight[:, :, 0, 0].numel() * int((module.visible == 0).sum())
        for module in model.modules()
        if isinstance(module, CausalConv2d)
    )
    return sum(p.numel() for name, p in model.named_parameters() if "norm_cross_attn" not in name) - masked
