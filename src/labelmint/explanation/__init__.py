"""What the paths of a tokenizer carry, where attention looks, how codes are used."""
