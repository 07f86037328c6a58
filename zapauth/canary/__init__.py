"""The canary: it logs out again and again, and measures how soon all workers of all servers refuse the tokens.

`manage.py canary` runs it from outside, and the head process of each server runs a small one all the time.
"""

# The bound that we declare, in seconds: after the answer to a logout, no request that begins later is accepted.
BOUND = 0.0
# The aim for the delivery of events, in seconds after the commit.
EVENT_AIM = 0.1
# The upper limits of the histogram, in seconds from the answer to the last acceptance. Below zero: the token was
# refused before the answer was there.
LIMITS = (-1.0, -0.1, -0.01, -0.001, 0.0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
