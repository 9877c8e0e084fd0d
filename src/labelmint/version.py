"""The version of labelmint, as it was installed."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("labelmint")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
