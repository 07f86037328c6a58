"""Limit how often something may be tried. PostgreSQL counts, for all workers together, and a restart loses no counts.

An attempt is counted before it is made, so that a hundred attempts at once count as a hundred. It is taken back if it
succeeds. A caller who has used up an allowance waits until its window ends. Until then every attempt is refused,
right or wrong, without a check.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from users.errors import TooManyAttempts
from users.models import User
from users.transactions import tried_again

# One statement: two workers that count at once can't both see the old count. It locks the rows in the order of their
# keys, so that two statements that share some can't deadlock. By itself it does not wait until the disk has written
# the count: an attempt would take twice as long, and a whole office may share the row. If the database server
# crashes, the counts of the last second may be lost; a restart loses nothing.
_COUNT = """
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now,
           CASE WHEN %(alone)s THEN set_config('synchronous_commit', 'off', true) END AS setting
)
INSERT INTO users_throttle AS t (key, count, resets_at)
     SELECT key, 1, now + window_length
       FROM clock, unnest(%(keys)s::text[], %(windows)s::interval[]) AS given (key, window_length)
      WHERE setting IS DISTINCT FROM '' -- always true: the setting has to be read
   ORDER BY key
ON CONFLICT (key) DO UPDATE
        SET count = CASE WHEN t.resets_at <= (SELECT now FROM clock) THEN 1 ELSE t.count + 1 END,
            resets_at = CASE WHEN t.resets_at <= (SELECT now FROM clock) THEN EXCLUDED.resets_at ELSE t.resets_at END
  RETURNING key, count, resets_at - (SELECT now FROM clock)
"""
_TAKE_BACK = """
WITH quick AS MATERIALIZED (
    SELECT CASE WHEN %(alone)s THEN set_config('synchronous_commit', 'off', true) END AS setting
), held AS (
    SELECT key FROM users_throttle WHERE key = ANY(%(keys)s) ORDER BY key FOR NO KEY UPDATE
)
UPDATE users_throttle t
   SET count = CASE WHEN t.key = ANY(%(cleared)s) THEN 0 ELSE GREATEST(t.count - 1, 0) END
  FROM held, quick
 WHERE t.key = held.key AND quick.setting IS DISTINCT FROM ''
"""
_FORGET = """
DELETE FROM users_throttle
 WHERE key IN (SELECT key FROM users_throttle WHERE resets_at <= clock_timestamp() FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True)
class Allowance:
    """An allowance: how often ``who`` may do something. ``settings.THROTTLE_RATES[name]`` is (times, seconds)."""

    name: str
    who: str

    @property
    def most(self) -> int:
        return int(settings.THROTTLE_RATES[self.name][0])

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=settings.THROTTLE_RATES[self.name][1])

    @property
    def key(self) -> str:
        return salted_hmac("users.throttling", f"{self.name}\0{self.who}", algorithm="sha256").hexdigest()


@tried_again
def count_attempt(*allowances: Allowance) -> None:
    """Count one more attempt against each allowance.

    Raises: TooManyAttempts, when one of them was used up before.
    """
    if not settings.THROTTLING:
        return
    by_key = {allowance.key: allowance for allowance in allowances}
    windows = [allowance.window for allowance in by_key.values()]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"keys": list(by_key), "windows": windows, "alone": not connection.in_atomic_block})
        rows = cursor.fetchall()
    waits = [wait for key, count, wait in rows if count > by_key[key].most]
    if waits:
        raise TooManyAttempts(max(1, math.ceil(max(waits).total_seconds())))


@tried_again
def take_back(*allowances: Allowance, clear: Iterable[Allowance] = ()) -> None:
    """Take back the attempt that was just counted, because it succeeded. The allowances ``clear`` start anew."""
    if not settings.THROTTLING:
        return
    cleared = [allowance.key for allowance in clear]
    keys = [allowance.key for allowance in allowances] + cleared
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, {"keys": keys, "cleared": cleared, "alone": not connection.in_atomic_block})


def forget_past() -> None:
    """Delete the counts whose window has ended. Rows that an attempt has locked now are deleted the next time."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)


def identity_of(text: str) -> str:
    """Normalise a user name, email or phone number. The database compares them in the same way."""
    # Upper case first, because PostgreSQL compares in upper case: a few letters have only their capital in common.
    return User.normalize_username(text).upper().casefold()


def network_of(ip: str | None) -> str:
    """Return the caller's network: an IPv4 address, or the 64 bits of an IPv6 address that one customer gets."""
    if ip is None:
        return ""
    address = ip_address(ip)
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
