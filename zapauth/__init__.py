"""The project: settings, the server, and two HTTP dialects over one core."""

__version__ = "0.1.0"
