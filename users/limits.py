"""The longest times that apps and settings may choose. The settings read this module, so it imports no model."""

from datetime import timedelta

# A log-in adds these to the time of the database. A longer one could lead beyond the last date that Python knows.
LONGEST_SESSION = timedelta(days=3650)
LONGEST_DURATION = timedelta(days=36_500)
