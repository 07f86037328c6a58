"""The project: settings, server, and the two HTTP dialects over one core."""

__version__ = "0.1.0"
