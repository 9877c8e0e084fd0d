"""Image or layout <-> grid of codebook indices."""
