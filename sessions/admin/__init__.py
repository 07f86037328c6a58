"""The pages of the admin. `users.permissions` decides who may do what; `sessions.bulk.orders` carries orders out."""

from sessions.admin import bulk_runs, groups, record, sessions, users

__all__ = ["bulk_runs", "groups", "record", "sessions", "users"]
