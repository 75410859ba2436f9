"""Fairdeal: deals support tickets to agents."""

__version__ = "0.1.0"
