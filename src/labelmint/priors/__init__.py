"""p(tokens | condition), one token after the other."""
