"""Longwave: a studio for long sound from text."""

__version__ = "0.1.0"
