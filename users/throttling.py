"""Limit how often something may be tried. PostgreSQL counts, for all workers together, and a restart loses no counts.

An attempt is counted before it is made, so that a hundred attempts at once count as a hundred. It is taken back if it
succeeds. A caller who has used up an allowance waits until its window ends. Until then every attempt is refused,
right or wrong, without a check.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from users.errors import TooManyAttempts
from users.models import User
from users.statement import Statement
from users.transactions import tried_again

# Several places share these. An attempt counts against them only if the caller's own allowance is not used up: a phone
# that tries one password for ever can't use up the allowance of its office, nor its user's allowance elsewhere.
_COUNTED_LAST = frozenset({"login_anywhere", "login_address"})

# One statement: two workers that count at once can't both see the old count. It locks the rows in the order in which
# it counts them, then in that of their keys, as `_TAKE_BACK` does: two statements that share some can't deadlock. By
# itself it does not wait until the disk has written the count: an attempt would take twice as long, and a whole office
# may share the row. If the database server crashes, the counts of the last second may be lost; a restart loses nothing.
_COUNT = Statement("""
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now,
           CASE WHEN %(alone)s::bool THEN set_config('synchronous_commit', 'off', true) END AS setting
), counted AS (
    INSERT INTO users_throttle AS t (key, count, resets_at)
         SELECT key, 1, now + make_interval(secs => seconds)
           FROM clock, unnest(%(keys)s::text[], %(seconds)s::float8[]) AS given (key, seconds)
          WHERE setting IS DISTINCT FROM '' -- always true: the setting has to be read
       ORDER BY key
    ON CONFLICT (key) DO UPDATE
            SET count = CASE WHEN t.resets_at <= (SELECT now FROM clock) THEN 1 ELSE t.count + 1 END,
                resets_at = CASE WHEN t.resets_at <= (SELECT now FROM clock) THEN EXCLUDED.resets_at
                                 ELSE t.resets_at END
      RETURNING key, count, resets_at
), allowed AS MATERIALIZED (
    SELECT COALESCE(bool_and(counted.count <= given.most), true) AS is_so
      FROM counted
      JOIN unnest(%(keys)s::text[], %(most)s::int[]) AS given (key, most) USING (key)
), counted_last AS (
    INSERT INTO users_throttle AS t (key, count, resets_at)
         SELECT key, 1, now + make_interval(secs => seconds)
           FROM clock, allowed, unnest(%(last_keys)s::text[], %(last_seconds)s::float8[]) AS given (key, seconds)
          WHERE allowed.is_so
       ORDER BY key
    ON CONFLICT (key) DO UPDATE
            SET count = CASE WHEN t.resets_at <= (SELECT now FROM clock) THEN 1 ELSE t.count + 1 END,
                resets_at = CASE WHEN t.resets_at <= (SELECT now FROM clock) THEN EXCLUDED.resets_at
                                 ELSE t.resets_at END
      RETURNING key, count, resets_at
)
SELECT key, count, extract(epoch FROM resets_at - now)::float8
  FROM (SELECT * FROM counted UNION ALL SELECT * FROM counted_last) all_counted, clock
""")
# An upsert, because it finds a row by the index even if it was planned while the table was empty. An UPDATE would then
# read the whole table, until PostgreSQL analyses it. A row that was deleted meanwhile comes back, with nothing counted.
_TAKE_BACK = Statement("""
WITH quick AS MATERIALIZED (
    SELECT CASE WHEN %(alone)s::bool THEN set_config('synchronous_commit', 'off', true) END AS setting
)
INSERT INTO users_throttle AS t (key, count, resets_at)
     SELECT given.key, 0, clock_timestamp()
       FROM quick CROSS JOIN unnest(%(keys)s::text[]) WITH ORDINALITY AS given (key, place)
      WHERE quick.setting IS DISTINCT FROM ''
      ORDER BY place
ON CONFLICT (key) DO UPDATE
        SET count = CASE WHEN t.key = ANY(%(cleared)s::text[]) THEN 0 ELSE GREATEST(t.count - 1, 0) END
""")
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
    def is_counted_last(self) -> bool:
        return self.name in _COUNTED_LAST

    @cached_property
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
    first = [allowance for allowance in by_key.values() if not allowance.is_counted_last]
    last = [allowance for allowance in by_key.values() if allowance.is_counted_last]
    rows = _COUNT.fetch_all(
        keys=[each.key for each in first],
        seconds=[each.window.total_seconds() for each in first],
        most=[each.most for each in first],
        last_keys=[each.key for each in last],
        last_seconds=[each.window.total_seconds() for each in last],
        alone=not connection.in_atomic_block,
    )
    waits = [wait for key, count, wait in rows if count > by_key[key].most]
    if waits:
        used_up = next((by_key[key].name for key, count, _ in rows if count == by_key[key].most + 1), "")
        raise TooManyAttempts(max(1, math.ceil(max(waits))), used_up=used_up)


class Keys(NamedTuple):
    """The keys of allowances from which an attempt is taken back, in the order in which statements lock their rows.

    Those in ``cleared`` start anew.
    """

    in_order: list[str]
    cleared: list[str]


NO_KEYS = Keys([], [])


def keys_of(*allowances: Allowance, clear: Iterable[Allowance] = ()) -> Keys:
    """Return the keys of ``allowances``, from which one attempt is taken back, and of ``clear``, which start anew."""
    if not settings.THROTTLING:
        return NO_KEYS
    cleared = list(clear)
    given = {each.key: each for each in (*allowances, *cleared)}.values()
    in_order = sorted(given, key=lambda each: (each.is_counted_last, each.key))
    return Keys([each.key for each in in_order], [each.key for each in cleared])


@tried_again
def take_back(keys: Keys) -> None:
    """Take back the attempt that was just counted, because it succeeded."""
    if keys.in_order:
        alone = not connection.in_atomic_block
        _TAKE_BACK.fetch_all(keys=keys.in_order, cleared=keys.cleared, alone=alone)


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
