"""Judging synthetic pairs: are they true, are they copies, do they help."""
