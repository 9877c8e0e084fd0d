"""p(s): what an image is to contain."""
