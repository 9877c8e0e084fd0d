"""Sets that can be made, and what is done to any set before training: splits, geometry, inspection."""
