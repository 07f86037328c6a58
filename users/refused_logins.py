"""How many logins are refused, by hour and reason: what the dashboard draws. Nobody's name is kept."""

from datetime import timedelta
from typing import Any

from django.db import connection

from users.clock import database_now
from users.models import RefusedLogin

KEPT_FOR = timedelta(days=400)

# One statement, on one row that all refusals of the hour share. So it must not be held for the time that
# a disk takes: of these counts, and of them alone, a crash may cost the last moment's. Not inside
# of a caller's transaction, whose own commit that would be.
_COUNT = """
WITH quick AS MATERIALIZED (
    SELECT CASE WHEN %(alone)s THEN set_config('synchronous_commit', 'off', true) END AS setting
)
INSERT INTO users_refusedlogin AS r (hour, reason, count)
     SELECT %(hour)s, %(reason)s, 1 FROM quick WHERE setting IS DISTINCT FROM '' -- always; it has to be read
ON CONFLICT (hour, reason) DO UPDATE SET count = r.count + 1
"""


def count_refused(reason: RefusedLogin.Reason) -> None:
    """Count one more login that was refused just now."""
    hour = database_now().replace(minute=0, second=0, microsecond=0)
    facts: dict[str, Any] = {"hour": hour, "reason": reason.value, "alone": not connection.in_atomic_block}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, facts)


def forget_old() -> None:
    """Delete the counts that nobody looks at any more."""
    RefusedLogin.objects.filter(hour__lt=database_now() - KEPT_FOR).delete()
