"""Where log-ins come from, according to a file of DB-IP or MaxMind, and what is unusual about it.

GEOIP_PATH names the file. Without it nothing here costs anything. A log-in is judged, never refused: the file may be
wrong about an address, and users travel.
"""

import atexit
import logging
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from sessions.models import LOCATION_LENGTH, Session
from sessions.sql.geography import store_location
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record

if TYPE_CHECKING:
    from django.contrib.gis.geoip2 import GeoIP2

logger = logging.getLogger("zapauth.geography")

# Two files can place one address some 10 km apart, and one provider's addresses are often placed in its main city.
NEAR = 100  # km; two log-ins that are nearer than this are never too fast
FASTEST = 900  # km/h; an airliner's speed


class GeographyError(Exception):
    """GEOIP_PATH names no file that can be used. The text says why."""


@dataclass(frozen=True)
class Location:
    """Where an IP address is.

    Args:
        country: the ISO 3166-1 code, two capital letters.
        latitude, longitude: in degrees, rounded to a tenth. Both are None in a file of countries only.
    """

    country: str
    country_name: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @property
    def text(self) -> str:
        """The place as a text, such as "Berlin, Germany"."""
        return ", ".join(filter(None, (self.city, self.country_name or self.country)))


def judge_login(session: Session, *, origin: Origin) -> None:
    """Store where the log-in of ``session`` came from, and what is unusual about that. Sets both on ``session``.

    The session is a new row that is stored, or a stored one that is not renewed yet. It takes one statement, and none
    without GEOIP_PATH. An unusual log-in is recorded, too.
    """
    if settings.GEOIP_PATH is None:
        return
    location = location_of(session.ip)
    for name in ("country", "country_name", "city", "latitude", "longitude"):
        setattr(session, name, getattr(location, name, None))
    # savepoint=False: inside the log-in's transaction this costs no extra round trips.
    with transaction.atomic(savepoint=False):
        session.judgement = store_location(session, near=NEAR, fastest=FASTEST)
        if session.judgement:
            record(
                Event.LOGIN_JUDGED,
                user=session.user,
                actor=session.user,
                origin=origin,
                session_id=session.pk,
                app=session.app,
                judgement=session.judgement,
                country=session.country,
                location=session.location,
            )


def location_of(ip: str | None) -> Location | None:
    """Return where ``ip`` is. None, if the file doesn't know, can't be read, or the address is private or reserved."""
    if settings.GEOIP_PATH is None or ip is None:
        return None
    try:
        address = ip_address(ip)
        if not address.is_global:
            return None
        file = _current_file(settings.GEOIP_PATH)
        return _look_up(file, address) if file else None
    except Exception as error:  # whatever a broken file causes, the log-in goes on
        logger.warning("GEOIP_PATH: an address can't be looked up: %s", type(error).__name__)
        return None


def open_file(path: Path) -> "GeoIP2":
    """Open the file at ``path``. In a folder: a file of cities before one of countries, and the newest one of those.

    Raises: GeographyError.
    """
    files = sorted(path.glob("*.mmdb")) if path.is_dir() else [path]
    opened, problem = [], "the folder has no file *.mmdb"
    for file in files:
        try:
            geoip = _open(file)
            opened.append((geoip.is_city, file.stat().st_mtime_ns, file.name, geoip))
        except GeographyError as error:
            problem = str(error)
    if not opened:
        raise GeographyError(problem)
    return max(opened, key=lambda each: each[:3])[3]


def _open(file: Path) -> "GeoIP2":
    """Open one file. Raises: GeographyError."""
    # Only an installation with GEOIP_PATH pays for this import.
    from django.contrib.gis.geoip2 import GeoIP2, GeoIP2Exception

    if not file.is_file():
        raise GeographyError(f"{file} is not there")
    try:
        # MODE_FILE takes no memory. With a memory map, a worker would die if somebody overwrote the file in place.
        return GeoIP2(file, cache=GeoIP2.MODE_FILE)
    except GeoIP2Exception as error:
        raise GeographyError(f"{file} has neither cities nor countries ({error})") from error
    except Exception as error:  # the library raises many kinds for a broken file
        raise GeographyError(f"{file} can't be read as an MMDB file ({type(error).__name__})") from error


def _current_file(path: Path) -> "GeoIP2 | None":
    """Return the file, opened. It is opened again when it, or a file in its folder, was replaced."""
    return _opened(path, _version(path))


def _version(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    files = sorted(path.glob("*.mmdb")) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.exists()]
    return tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@lru_cache(maxsize=1)
def _opened(path: Path, version: object) -> "GeoIP2 | None":
    """Open the file once for each version of it. None, if it can't be used; this is logged once."""
    try:
        return open_file(path)
    except GeographyError as error:
        logger.error("GEOIP_PATH: %s. Log-ins have no location until this is mended.", error)
        return None


# Otherwise Python destroys the file last, when the modules that close it are gone, and prints an error.
atexit.register(_opened.cache_clear)


def _look_up(file: "GeoIP2", address: IPv4Address | IPv6Address) -> Location | None:
    from geoip2.errors import AddressNotFoundError

    try:
        found = file.city(address) if file.is_city else file.country(address)
    except AddressNotFoundError:
        return None
    country = found["country_code"]
    if not (isinstance(country, str) and len(country) == 2 and country.isascii() and country.isalpha()):
        return None
    latitude, longitude = _degrees(found.get("latitude"), most=90), _degrees(found.get("longitude"), most=180)
    is_whole = latitude is not None and longitude is not None
    return Location(
        country=country.upper(),
        country_name=_plain(found["country_name"]),
        city=_plain(found.get("city")),
        latitude=latitude if is_whole else None,
        longitude=longitude if is_whole else None,
    )


def _degrees(value: object, *, most: int) -> float | None:
    """Return ``value``, rounded to a tenth. None, if it is no number from -``most`` to ``most``."""
    if not isinstance(value, (int, float)) or not abs(value) <= most:  # NaN, too
        return None
    return round(float(value), 1)


def _plain(name: object) -> str | None:
    """Return a name as one line of printable characters: it goes into the database and into mails."""
    if not isinstance(name, str):
        return None
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(printable.split())[:LOCATION_LENGTH] or None
