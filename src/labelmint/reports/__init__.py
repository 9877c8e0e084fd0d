"""Tables, figures and pages that open from disk; nothing here knows what it shows."""
