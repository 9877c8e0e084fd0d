"""Pure functions on arrays that judge samples."""
