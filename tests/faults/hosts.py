"""Hosts in network namespaces: one for the gateways, one for the workers and one for what they need, with a wire of its
own from each program's host to each server, which can be made to drop all that goes over it.

What goes over a wire is TCP of the kernel's own. Only root can make such hosts.
"""

import asyncio
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from tests.faults.lab import Lab
from tests.faults.services import Service

T = TypeVar("T")

SERVERS: Final = ("postgres", "valkey", "temporal", "slack", "models")
SIDES: Final = ("gateway", "worker")
POSTGRES_PORT: Final = 5432
NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET."""
ESTABLISHED: Final = "01"


def can_be_made() -> bool:
    return os.geteuid() == 0 and all(shutil.which(program) for program in ("ip", "nsenter"))


@dataclass
class Hosts:
    """``name``: what the namespaces' names begin with."""

    name: str
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def namespace(self, of: str) -> str:
        return f"{self.name}-{of}"

    def address(self, side: str, server: str) -> str:
        """Of a server, as it is seen from there."""
        return f"10.77.{10 * (1 + SIDES.index(side)) + SERVERS.index(server)}.1"

    def make(self) -> None:
        for of in ("servers", *SIDES):
            _run("ip", "netns", "add", self.namespace(of))
            _run("ip", "-n", self.namespace(of), "link", "set", "lo", "up")
        # What ends there while its wire is pulled is forgotten. Else the kernel would say so once the wire is back,
        # which no machine does that was started anew meanwhile.
        _run(*_entering(self.namespace("servers")), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_orphan_retries")
        for side in SIDES:
            for server in SERVERS:
                near, far = self.namespace(side), self.namespace("servers")
                own, peer = f"to-{server}", f"{side[0]}-{server}"
                _run("ip", "-n", near, "link", "add", own, "type", "veth", "peer", "name", peer, "netns", far)
                address = self.address(side, server)
                _run("ip", "-n", far, "addr", "add", f"{address}/24", "dev", peer)
                _run("ip", "-n", near, "addr", "add", f"{address[:-1]}2/24", "dev", own)
                _run("ip", "-n", far, "link", "set", peer, "up")
                _run("ip", "-n", near, "link", "set", own, "up")

    def remove(self) -> None:
        for of in ("servers", *SIDES):
            subprocess.run(("ip", "netns", "delete", self.namespace(of)), check=False)

    def silence(self, side: str, server: str) -> None:
        """Nothing that is sent over this wire arrives, and nobody is told: the server's end of it is pulled."""
        self._set(side, server, "down")

    def heal(self, side: str, server: str) -> None:
        self._set(side, server, "up")

    def _set(self, side: str, server: str, state: str) -> None:
        _run("ip", "-n", self.namespace("servers"), "link", "set", f"{side[0]}-{server}", state)

    def half_open(self, side: str, server: str) -> set[str]:
        """Connections to the server that only the program's host still knows of."""
        there = socket.inet_aton(self.address(side, server))[::-1].hex().upper()
        near, far = (_connections(self.namespace(of)) for of in (side, "servers"))
        return {own for own, peer in near if peer.startswith(there)} - {peer for _, peer in far}

    def reset(self) -> None:
        """Ends what goes by way of this process at once, as when a machine between the two starts again."""
        for writer in list(self._open):
            writer.transport.abort()

    @asynccontextmanager
    async def passing_on(
        self, listening: socket.socket, dial: Callable[[], socket.socket], to: tuple[str, int]
    ) -> AsyncIterator[None]:
        """What comes in here goes on to there. ``dial``: makes the socket, in the namespace from which it goes on."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            onward = dial()
            self._open.add(writer)
            try:
                await asyncio.get_running_loop().sock_connect(onward, to)
                there, back = await asyncio.open_connection(sock=onward)
                self._open.add(back)
                try:
                    await asyncio.gather(_pump(reader, back), _pump(there, writer))
                finally:
                    self._open.discard(back)
                    back.transport.abort()
            except OSError:
                onward.close()
            finally:
                self._open.discard(writer)
                writer.transport.abort()

        server = await asyncio.start_server(connected, sock=listening)
        try:
            yield
        finally:
            server.close()
            self.reset()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(1 << 16):
            writer.write(content)
            await writer.drain()
    writer.transport.abort()


def _connections(namespace: str) -> list[tuple[str, str]]:
    """Both ends of each that is established, as the kernel writes them."""
    table = subprocess.run(
        (*_entering(namespace), "cat", "/proc/self/net/tcp"), check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split() for line in table.splitlines()[1:]]
    return [(row[1], row[2]) for row in rows if row[3] == ESTABLISHED]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _within(namespace: str, make: Callable[[], T]) -> T:
    """As made by somebody in that namespace: a socket stays where it was made. It takes a thread of its own."""

    def enter() -> T:
        descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, NEW_NETWORK) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)
        return make()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(enter).result()


def _socket() -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    return made


@asynccontextmanager
async def apart(lab: Lab) -> AsyncIterator[Hosts]:
    """The lab's programs move to hosts of their own, and go on there."""
    hosts = Hosts(f"konstruct-{secrets.token_hex(3)}")
    async with AsyncExitStack() as stack:
        stack.callback(hosts.remove)
        hosts.make()
        programs = [*lab.deployment.gateways, *lab.deployment.workers]
        for program in programs:
            await program.stop()
        stack.push_async_callback(lab.deployment.stop)
        await _move_postgres(lab, hosts)
        targets = _targets(lab)
        for server, (host, port) in targets.items():
            listening = _within(hosts.namespace("servers"), lambda port=port: _listening("", port))  # type: ignore[misc]
            await stack.enter_async_context(hosts.passing_on(listening, _socket, (host, port)))
            assert server in SERVERS
        for side, services in zip(SIDES, (lab.deployment.gateways, lab.deployment.workers), strict=True):
            for service in services:
                _move(hosts, service, side, _settings(lab, hosts, side, targets))
        for url in lab.deployment.gateway_urls:
            port = urlsplit(url).port or 0
            of = hosts.namespace("gateway")
            inside = lambda of=of: _within(of, _socket)  # noqa: E731
            await stack.enter_async_context(
                hosts.passing_on(_listening("127.0.0.1", port), inside, ("127.0.0.1", port))
            )
        await asyncio.gather(*(program.start() for program in programs))
        yield hosts


def _listening(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), reuse_port=False)


def _targets(lab: Lab) -> dict[str, tuple[str, int]]:
    """Where the servers are that stay in this process' own namespace."""
    env = lab.deployment.env
    addresses = {
        "valkey": env["KONSTRUCT_REDIS_URL"],
        "temporal": f"//{env['KONSTRUCT_TEMPORAL_ADDRESS']}",
        "slack": env["KONSTRUCT_SLACK_API_URL"],
        "models": env["KONSTRUCT_ANTHROPIC_BASE_URL"],
    }
    parts = {server: urlsplit(address) for server, address in addresses.items()}
    return {server: (part.hostname or "", part.port or 0) for server, part in parts.items()}


def _settings(lab: Lab, hosts: Hosts, side: str, targets: dict[str, tuple[str, int]]) -> dict[str, str]:
    env, there = lab.deployment.env, {server: hosts.address(side, server) for server in SERVERS}

    def seen(name: str, server: str) -> str:
        host, port = targets[server]
        return env[name].replace(f"{host}:{port}", f"{there[server]}:{port}")

    return {
        "database_url": f"postgresql://konstruct_app@{there['postgres']}:{POSTGRES_PORT}/konstruct",
        "redis_url": seen("KONSTRUCT_REDIS_URL", "valkey"),
        "temporal_address": seen("KONSTRUCT_TEMPORAL_ADDRESS", "temporal"),
        "slack_api_url": seen("KONSTRUCT_SLACK_API_URL", "slack"),
        "anthropic_base_url": seen("KONSTRUCT_ANTHROPIC_BASE_URL", "models"),
    }


def _move(hosts: Hosts, service: Service, side: str, settings: dict[str, str]) -> None:
    service.change(**settings)
    service.become((*_entering(hosts.namespace(side)), *service.program.command))


def _entering(namespace: str) -> tuple[str, ...]:
    program = shutil.which("nsenter")
    assert program is not None
    return (program, f"--net=/run/netns/{namespace}", "--")


async def _move_postgres(lab: Lab, hosts: Hosts) -> None:
    """It serves programs over TCP there, and this process by its socket as before."""
    postgres = lab.deployment.postgres
    await postgres.stop()
    rules = Path(lab.deployment.folder) / "postgres" / "data" / "pg_hba.conf"
    rules.write_text(rules.read_text() + "host all all 10.77.0.0/16 trust\n")
    program = postgres.program
    command = [f"listen_addresses={'*'}" if part == "listen_addresses=" else part for part in program.command]
    entering = _entering(hosts.namespace("servers"))
    moved = replace(program, command=(*command, "-p", str(POSTGRES_PORT)))
    postgres.program = replace(
        moved,
        leash=(*entering, *program.leash) if program.leash else None,
        command=moved.command if program.leash else (*entering, *moved.command),
    )
    await postgres.start()
