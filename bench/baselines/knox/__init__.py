"""django-rest-knox with its defaults: opaque tokens in the database. A logout deletes the token."""
