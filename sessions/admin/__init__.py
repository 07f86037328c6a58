"""The admin, by page. `users.permissions` decides who may do what; `sessions.staff` carries orders out."""

from sessions.admin import groups, runs, sessions, users

__all__ = ["groups", "runs", "sessions", "users"]
