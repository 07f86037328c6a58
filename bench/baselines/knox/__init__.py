"""django-rest-knox with its defaults: opaque tokens in the database, deleted at a logout."""
