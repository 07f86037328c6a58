"""Django's PostgreSQL backend, with a pool that knows what to do when the database is slow or away."""
