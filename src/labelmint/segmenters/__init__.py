"""The judge: a U-Net trained on the real pairs, which never sees what a generator drew."""
