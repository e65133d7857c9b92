"""Ports of this machine for servers of a test."""

from konstruct.embedded.loopback import free_port


def free_ports(*names: str) -> dict[str, int]:
    """Each another one."""
    ports: dict[str, int] = {}
    while len(set(ports.values())) < len(names):
        ports = {name: free_port() for name in names}
    return ports
