"""Images without labels: which of them to label next, and labels minted for all of them."""
