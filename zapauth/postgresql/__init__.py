"""Django's PostgreSQL backend with its own pool, for a slow or unreachable database."""
