"""Speed, measured: `python -m benchmarks.NAME [--json FILE]`; all sides of a comparison in one process,
medians.
"""
