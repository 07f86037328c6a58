"""The admin, by page. What it orders is decided in `sessions.staff`."""

from sessions.admin import groups, runs, sessions, users

__all__ = ["groups", "runs", "sessions", "users"]
