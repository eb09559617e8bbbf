"""The version of localreg."""

__version__ = "0.1.0"
