"""The papers' systems as compositions of parts: one short file a family, and the catalogue of them all."""
