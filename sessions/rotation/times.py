"""How often servers tell the database which keys they have."""

from datetime import timedelta

TELL_EVERY = timedelta(seconds=10)
# A server that has not renewed its row for this long does not run.
SILENT = timedelta(minutes=1)
