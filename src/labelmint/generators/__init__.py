"""p(x | s): images given layouts."""
