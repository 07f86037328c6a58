"""Small files that tell where IP addresses are, in the format and with the types of DB-IP's and MaxMind's."""

from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

DBIP_CITY, DBIP_COUNTRY = "DBIP-City-Lite", "DBIP-Country-Lite"
GEOLITE_CITY, GEOLITE_COUNTRY = "GeoLite2-City", "GeoLite2-Country"

# Public addresses, because private and reserved ones have no place. The assignment to cities is made up.
BERLIN, POTSDAM, PARIS, TOKYO, NOWHERE = "81.2.69.1", "81.2.70.1", "89.160.20.1", "175.16.199.1", "8.8.8.8"
BERLIN_6 = "2a02:8100::1"
CITIES: dict[str, tuple[str, str, str, float, float]] = {
    "81.2.69.0/24": ("DE", "Germany", "Berlin", 52.5244, 13.4105),
    "81.2.70.0/24": ("DE", "Germany", "Potsdam", 52.3989, 13.0657),
    "89.160.20.0/24": ("FR", "France", "Paris", 48.8534, 2.3488),
    "175.16.199.0/24": ("JP", "Japan", "Tokyo", 35.6895, 139.6917),
    "2a02:8100::/32": ("DE", "Germany", "Berlin", 52.5244, 13.4105),
    # No file should say so. If one does, these addresses have no place, all the same.
    "10.0.0.0/8": ("FR", "France", "Paris", 48.8534, 2.3488),
}


def write_geo_file(path: Path, kind: str = DBIP_CITY, *, more: dict[str, Any] | None = None) -> Path:
    """Write the cities of this module to a file of that type. Returns: ``path``.

    Args: more: further networks, with their records as the file has them.
    """
    writer = MMDBWriter(
        ip_version=6, ipv4_compatible=True, database_type=kind, languages=["en", "de"], description="Of the tests"
    )
    networks = {network: _entry(kind, *facts) for network, facts in CITIES.items()} | (more or {})
    for network, entry in networks.items():
        writer.insert_network(IPSet([network]), entry)
    writer.to_db_file(str(path))
    return path


def _entry(kind: str, code: str, country: str, city: str, latitude: float, longitude: float) -> dict[str, Any]:
    # DB-IP Lite has English names only.
    german = {} if kind.startswith("DBIP") else {"de": f"{country} auf Deutsch"}
    entry: dict[str, Any] = {"country": {"iso_code": code, "names": {"en": country, **german}}}
    if "City" in kind:
        entry["city"] = {"names": {"en": city}}
        entry["location"] = {"latitude": latitude, "longitude": longitude}
    return entry
