"""Blocks, and nothing but blocks: causal convolution, gated residual, attention."""
