"""The sessions: who is logged in where, and how a session ends. Start at `sessions/logout.py`."""
