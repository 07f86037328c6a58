"""Networks of IP addresses, as conditions on sessions."""

from ipaddress import ip_network
from typing import Any

from django.db.models import GenericIPAddressField, Lookup, Q


@GenericIPAddressField.register_lookup
class Within(Lookup):
    """The look-up `ip__within="192.0.2.0/24"`: an address in that network (PostgreSQL's `<<=`)."""

    lookup_name = "within"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.lhs)  # not as text, unlike in Django's own look-ups
        return f"{column} <<= %s::inet", (*parameters, self.rhs)


def within(network: str) -> Q:
    """Return the condition that a session was opened from an address in ``network``."""
    return Q(ip__within=str(ip_network(network)))
