"""The canary: it logs out again and again, and measures how soon all workers of all servers refuse the tokens.

`manage.py canary` runs it from outside, and the main process of each server runs a small one all the time.
"""

# The bound that we declare, in seconds: a request that begins later than this after the answer to a logout is refused.
BOUND = 0.0
# The aim for the delivery of events, in seconds after the commit.
EVENT_AIM = 0.1
# The upper limits of the histogram, in seconds from the answer to the last acceptance. Below zero: the last request
# that was accepted began before the answer was there.
LIMITS = (-1.0, -0.1, -0.01, -0.001, 0.0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
