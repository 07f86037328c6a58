"""How often servers tell the database which keys they have."""

from datetime import timedelta

TELL_EVERY = timedelta(seconds=10)
TELL_AGAIN = timedelta(seconds=1)  # after a failure, because the database may be back
# A server that has not renewed its row for this long is silent. It was killed, or it can't reach the database.
SILENT = timedelta(minutes=1)
# A running server has renewed its row when it can reach the database again for this long: up to ten seconds pass until
# it tries, and up to ten more until it gives up a connection that is dead, and opens a new one.
TOLD_WITHIN = timedelta(seconds=30)
