"""Who is logged in where, and how that ends. A newcomer starts at `sessions/logout.py`."""
