"""The engine that brings run records into their permanent archive."""

__version__ = "0.1.0"
