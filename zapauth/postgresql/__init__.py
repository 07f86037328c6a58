"""Django's PostgreSQL backend, with a pool that copes with a slow or unreachable database."""
