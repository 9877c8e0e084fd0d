"""One plain loop a regime: tokenizer, prior. What they share: the run folder, the clock, the pairs in memory."""
