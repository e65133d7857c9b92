"""Ports and readiness probes on this machine's own addresses."""

import asyncio
import errno
import socket
import ssl
from random import SystemRandom

import httpx

from konstruct.errors import Misconfigured

HOST = "127.0.0.1"
PROBE_SECONDS = 2.0
# Probes speak plain HTTP. Left to itself the client reads the certificates of all the world's authorities for each of
# them, which keeps a processor busy that the program needs to get ready.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

candidates = range(20_000, 32_000)
"""Below the range from which the kernel serves outgoing connections, so that a port stays ours over a restart.
Processes that draw side by side, as those of tests do, each take others."""
_drawn: set[int] = set()


def require_free_port(host: str, port: int, variable: str) -> None:
    """Raises Misconfigured, naming the variable that sets the port, when nobody could listen there."""
    error = _listening_error(host, port)
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        raise Misconfigured(f"Port {port} on {host} is taken by another program: free it, or set {variable}.")
    raise Misconfigured(f"Nothing can listen on port {port} of {host} ({error.strerror}): set {variable} to another.")


def free_port(preferred: int | None = None) -> int:
    """One that this process did not draw before: who drew that may not listen yet, or mean that nobody does."""
    if preferred is not None and _listening_error(HOST, preferred) is None:
        return preferred
    left = [port for port in candidates if port not in _drawn]
    drawn = next(port for port in SystemRandom().sample(left, 200) if _listening_error(HOST, port) is None)
    _drawn.add(drawn)
    return drawn


async def http_answers(url: str) -> bool:
    """Whether a GET is answered with a success."""
    try:
        # Proxy variables of the environment must not lead a probe of this machine elsewhere.
        async with httpx.AsyncClient(trust_env=False, verify=_NO_AUTHORITIES, timeout=PROBE_SECONDS) as client:
            return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False


async def line_answers(port: int, request: bytes, expected: bytes) -> bool:
    """Whether a TCP server answers `request` with exactly `expected`."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(request)
                return await reader.readexactly(len(expected)) == expected
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return False


def _listening_error(host: str, port: int) -> OSError | None:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        return error
    return None
