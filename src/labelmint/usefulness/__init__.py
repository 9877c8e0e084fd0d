"""Does it help? The study of synthetic pairs beside real ones."""
