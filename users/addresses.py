"""Write each IP address in one form, so that limits, records and filters agree."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 §2.5.5.2: how an IPv6 socket writes an IPv4 address


def plain_address(text: str) -> str | None:
    """Return the address in its normal form, or None. `::ffff:192.0.2.1` becomes `192.0.2.1`."""
    try:
        # A zone (RFC 4007, `fe80::1%eth0`) has a meaning on one machine only, so it is dropped.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def plain_network(text: str, *, strict: bool = True) -> str:
    """Return the network in its normal form. `::ffff:192.0.2.0/120` becomes `192.0.2.0/24`. Raises: ValueError.

    A zone is an error: PostgreSQL has none, and without it the filter would match more than was asked for.
    """
    if "%" in text:
        raise ValueError(f"{text!r} names a zone")
    network = ip_network(text, strict=strict)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return str(IPv4Network((int(mapped or 0), network.prefixlen - 96)))
    return str(network)
