"""Seeded faults: mistakes that `tests.history` must find. Each is an edit of the product's code in a running process.

The environment variable ZAPAUTH_TEST_FAULT names one. Only `tests.history.faults.settings` reads it.
"""
