"""The canary: it logs out again and again, and measures how soon all workers of all servers refuse the tokens.

`manage.py canary` runs it from outside, and the head process of each server runs a small one all the time.
"""

# The bound that we declare, in seconds: after the answer to a logout, no request that begins later is accepted.
BOUND = 0.0
# The aim for the delivery of events, in seconds after the commit.
EVENT_AIM = 0.1
