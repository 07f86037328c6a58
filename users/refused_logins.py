"""Count failed attempts by hour and reason, for the dashboard and for the budget over all identities.

No name is stored.
"""

import logging
import math
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from users.clock import database_now
from users.counting import login_refused
from users.errors import TooManyAttempts
from users.models import RefusedLogin
from users.record.events import Event
from users.record.writing import record
from users.throttling import Allowance

logger = logging.getLogger("zapauth.alarm")
KEPT_FOR = timedelta(days=400)
Reason = RefusedLogin.Reason

# How many attempts of strangers may fail in an hour, for all identities together. Each budget has the name of its
# allowance and the reasons that count.
LOGINS, RESET_CODES = "login_everybody", "reset_try_everybody"
BUDGETS = {
    LOGINS: (Reason.WRONG_PASSWORD, Reason.UNKNOWN_USER, Reason.SECOND_FACTOR),
    RESET_CODES: (Reason.WRONG_CODE,),
}

# One statement, on one row that all failures of the hour share. The commit does not wait for the disk, so that the
# row is locked for a short time only. After a crash, the counts of the last moment may be lost, and nothing else.
# Inside a caller's transaction the commit waits, because it also commits the caller's work.
_COUNT = """
WITH quick AS MATERIALIZED (
    SELECT CASE WHEN %(alone)s THEN set_config('synchronous_commit', 'off', true) END AS setting
)
INSERT INTO users_refusedlogin AS r (hour, reason, count)
     SELECT date_trunc('hour', clock_timestamp(), 'UTC'), %(reason)s, 1
       FROM quick WHERE setting IS DISTINCT FROM '' -- always true: the setting has to be read
ON CONFLICT (hour, reason) DO UPDATE SET count = r.count + 1
  RETURNING hour, count + (
            SELECT COALESCE(sum(o.count), 0)
              FROM users_refusedlogin o
             WHERE o.hour = r.hour AND o.reason = ANY(%(others)s))
"""
_FAILED = """
SELECT COALESCE(sum(count), 0),
       extract(epoch FROM date_trunc('hour', clock_timestamp(), 'UTC') + interval '1 hour' - clock_timestamp())
  FROM users_refusedlogin
 WHERE hour = (SELECT date_trunc('hour', clock_timestamp(), 'UTC')) AND reason = ANY(%(reasons)s)
"""
# Several attempts may exceed the budget at once. One of them inserts the row.
_FIRST = "INSERT INTO users_throttle (key, count, resets_at) VALUES (%s, 1, %s) ON CONFLICT DO NOTHING RETURNING key"


def count_refused(reason: Reason) -> None:
    """Count one more failed attempt. The first one over a budget logs an alarm."""
    login_refused(reason.value)
    budget = next((name for name, reasons in BUDGETS.items() if reason in reasons), None)
    others = [other.value for other in BUDGETS[budget] if other is not reason] if budget else []
    facts: dict[str, Any] = {"reason": reason.value, "others": others, "alone": not connection.in_atomic_block}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, facts)
        hour, failed = cursor.fetchone()
    if budget and settings.THROTTLING and failed > Allowance(budget, "").most:
        _raise_alarm(budget, hour)


def find_wait(budget: str) -> TooManyAttempts | None:
    """Return the error for strangers, if the failures of this hour exceed the budget. Takes no lock."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, {"reasons": [reason.value for reason in BUDGETS[budget]]})
        failed, seconds_left = cursor.fetchone()
    return wait_for(budget, failed=failed, seconds_left=seconds_left)


def wait_for(budget: str, *, failed: int, seconds_left: float) -> TooManyAttempts | None:
    """Return the error for strangers, if ``failed``, the failures of this hour, exceeds the budget.

    Args: seconds_left: until the hour ends.
    """
    return TooManyAttempts(max(1, math.ceil(seconds_left))) if failed > Allowance(budget, "").most else None


def forget_old() -> None:
    """Delete counts that are older than `KEPT_FOR`."""
    RefusedLogin.objects.filter(hour__lt=database_now() - KEPT_FOR).delete()


def _raise_alarm(budget: str, hour: datetime) -> None:
    """Write one line to the log, once an hour for all workers together."""
    allowance = Allowance(budget, hour.isoformat())
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, (allowance.key, hour + timedelta(hours=1)))
        is_first = cursor.fetchone() is not None
    if is_first:
        record(Event.LOCKED_OUT, allowance=budget)
        logger.error(
            "More than %d attempts have failed since %s (%s). Until the hour ends, only users at known places may try.",
            allowance.most,
            hour.strftime("%H:%M UTC"),
            budget,
        )
