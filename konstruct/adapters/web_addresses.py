"""Which addresses of the network may be asked on behalf of a tenant. Nothing here connects to anything."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Self

from konstruct.errors import Misconfigured

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses as text; raises OSError when the name is not known."""

_LABEL: Final = "[a-z0-9_][a-z0-9_-]{0,62}"
_HOST: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?|[0-9a-f.]*:[0-9a-f:.]+")

# Of IPv6 only what is handed out to networks on the internet; `is_global` takes in a good deal more than that, and
# so do the prefixes that carry an IPv4 address inside, which a gateway nearby may translate to one of the inside.
_HANDED_OUT: Final = IPv6Network("2000::/3")
_SPECIAL: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # This network.
        "10.0.0.0/8",
        "100.64.0.0/10",  # Carriers' inside; one cloud's metadata.
        "127.0.0.0/8",
        "168.63.129.16/32",  # A public address that is one cloud's inside.
        "169.254.0.0/16",  # The link; most clouds' metadata.
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays.
        "192.168.0.0/16",
        "198.18.0.0/15",  # Benchmarks.
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # Multicast.
        "240.0.0.0/4",  # Reserved, broadcast.
        "2001::/23",  # Teredo, ORCHID, benchmarks.
        "2001:db8::/32",
        "2002::/16",  # 6to4.
        "3ffe::/16",
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address, as text, belongs to the public internet; anything else as text is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and parsed not in _HANDED_OUT:
        return False
    return not any(parsed in network for network in _SPECIAL)


def is_host(host: str) -> bool:
    """Whether it has the shape of a name or address; what it leads to is another question."""
    return _HOST.fullmatch(host) is not None


async def system_resolver(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Allowed:
    """What may be asked although it is not https on the public internet."""

    places: frozenset[tuple[str, int]] = frozenset()
    """Host as written and port: there, any scheme and any address will do."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Their addresses count as public."""

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Raises Misconfigured for what is neither host:port nor a network."""
        places, networks = set(), []
        for entry in entries:
            try:
                if "/" in entry:
                    networks.append(ip_network(entry))
                else:
                    host, _, port = entry.lower().rpartition(":")
                    places.add((host.removeprefix("[").removesuffix("]"), int(port)))
            except ValueError:
                raise Misconfigured(
                    f"KONSTRUCT_WEB_ALLOWED: {entry!r} is neither host:port nor a network such as 10.2.0.0/16."
                ) from None
        if not all(is_host(host) and 0 < port < 65536 for host, port in places):
            raise Misconfigured("KONSTRUCT_WEB_ALLOWED: a host or port in it is none.")
        return cls(frozenset(places), tuple(networks))

    def may_reach(self, host: str, port: int, address: str) -> bool:
        """``address`` is one of those that the host's name led to."""
        if "%" in address:  # A zone is an interface of this machine.
            return False
        if (host, port) in self.places or is_public(address):
            return True
        return any(ip_address(address) in network for network in self.networks)
