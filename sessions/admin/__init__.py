"""The pages of the admin. `users.permissions` decides who may do what; `sessions.bulk.orders` carries orders out."""

from sessions.admin import apps, bulk_runs, groups, record, sessions, users

__all__ = ["apps", "bulk_runs", "groups", "record", "sessions", "users"]
