"""Times of the event streams, in seconds."""

LOOK_EVERY = 0.04  # between two looks for new notices
BEAT = 5.0  # between two looks at the apps and clients, and two events that say that the stream lives
TRY_AGAIN = 0.25
LONGEST_READ = 5.0
# Without the database for this long, the streams end: then their clients know that they are not told.
LONGEST_AWAY = 10.0
# How long a client may take nothing, if something waits.
LONGEST_STALL = 10.0
# Until then granian has opened the pipe of an answer.
OPENED_WITHIN = 30.0
