"""The statement that stores where a log-in came from, and judges it by the user's earlier log-ins."""

from sessions.models import Judgement, Session
from users.statement import Statement

# How many of the user's sessions are compared, the newest first. A program may log in thousands of times a day.
MOST_COMPARED = 1000

# The location of a session is that of its log-in. Where it was used later is not known: a phone travels with its
# session. So the time of an earlier location is that of the log-in, too.
# The distance is that of the haversine formula, on a sphere of the Earth's mean radius, 6371 km.
_STORE_LOCATION = Statement("""
WITH earlier AS (
    SELECT country, latitude, longitude, authenticated_at
      FROM user_sessions_session
     WHERE user_id = %(user)s AND country IS NOT NULL
     ORDER BY created_at DESC -- as in the index
     LIMIT %(most)s::int
), previous AS (
    SELECT 2 * 6371 * asin(sqrt(least(1,
               sind((latitude - %(latitude)s::float8) / 2) ^ 2
               + cosd(latitude) * cosd(%(latitude)s::float8) * sind((longitude - %(longitude)s::float8) / 2) ^ 2
           ))) AS km,
           greatest(0, extract(epoch FROM clock_timestamp() - authenticated_at)::float8 / 3600) AS hours
      FROM earlier
     WHERE latitude IS NOT NULL AND %(latitude)s::float8 IS NOT NULL -- `least` would ignore a NULL
     ORDER BY authenticated_at DESC
     LIMIT 1
)
   UPDATE user_sessions_session
      SET country = %(country)s::varchar, country_name = %(country_name)s, city = %(city)s,
          latitude = %(latitude)s::float8, longitude = %(longitude)s::float8,
          judgement = CASE
              WHEN EXISTS (SELECT FROM previous WHERE km > %(near)s::int AND km > hours * %(fastest)s::int)
                  THEN %(too_fast)s
              WHEN EXISTS (SELECT FROM earlier)
                   AND %(country)s::varchar NOT IN (SELECT country FROM earlier)
                  THEN %(new_country)s
          END
    WHERE id = %(id)s
RETURNING judgement
""")


def store_location(session: Session, *, near: int, fastest: int) -> str | None:
    """Store the location that ``session`` has, and judge it. Returns: the judgement that is stored.

    Args:
        near: the distance in km up to which no log-in is too fast.
        fastest: the speed in km/h above which a log-in is too fast.
    """
    (row,) = _STORE_LOCATION.fetch_all(
        id=session.pk,
        user=session.user_id,
        country=session.country,
        country_name=session.country_name,
        city=session.city,
        latitude=session.latitude,
        longitude=session.longitude,
        near=near,
        fastest=fastest,
        most=MOST_COMPARED,
        too_fast=Judgement.TOO_FAST.value,
        new_country=Judgement.NEW_COUNTRY.value,
    )
    judgement: str | None = row[0]
    return judgement
