"""F14: what nobody should send, to every way in: nothing of it is our failure, and what is acknowledged is kept."""

import asyncio
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httptools

from gateway import bodies, whatsapp_events
from konstruct.db import Database
from konstruct.errors import BadInput
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.faults import entrances
from tests.faults.catalogue import Entry, tell_progress
from tests.faults.entrances import GATEWAY, Sent, World
from tests.faults.lab import made_folder
from tests.faults.parsers import parsed
from tests.faults.services import KONSTRUCT, deployed
from tests.faults.slow_clients import MOST_GROWTH, a_portal, resident
from tests.support.members import sign_in

DROPS_WHAT_IS_ODD: Final = ("tests.faults.broken.drops_what_is_odd",)
AT_ONCE: Final = 8
SIGNED_IN_EVERY: Final = 500
"""Requests: some of them sign the owner out, as they should."""
PATIENCE: Final = 60.0
WARM: Final = 0.3
"""The part after which memory is measured for the first time: what is loaded when it is first used has been by then."""


@dataclass
class Malformed:
    seed: int
    inputs: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    away: Counter[str] = field(default_factory=Counter)
    """Requests that lead outside, where nobody is, and say so."""
    seconds: list[float] = field(default_factory=list)
    kept: int = 0
    """Which had to be kept, and are."""
    grown_megabytes: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """Which nobody had signed, or had a key for."""
    unkept: list[str] = field(default_factory=list)
    _acknowledged: list[tuple[str, bytes, str]] = field(default_factory=list)

    @property
    def amiss(self) -> dict[str, list[str]]:
        found = {"broken": self.broken, "taken": self.taken, "unkept": self.unkept}
        return {name: each for name, each in found.items() if each}

    def counts(self) -> dict[str, object]:
        ordered = sorted(self.seconds) or [0.0]
        return {
            "seed": self.seed,
            "inputs": sum(self.inputs.values()),
            "by_entrance": dict(self.inputs),
            "statuses": dict(sorted(self.statuses.items())),
            "nobody_outside": dict(self.away),
            "slowest_answers": [
                round(ordered[min(len(ordered) - 1, int(len(ordered) * p))], 3) for p in (0.5, 0.99, 1)
            ],
            "kept": self.kept,
            "grown_megabytes": self.grown_megabytes,
            "broken": self.broken[:50],
            "taken": self.taken[:50],
            "unkept": self.unkept[:50],
        }


async def posted(inputs: int, seed: int, *, gateway: tuple[str, ...] = KONSTRUCT) -> Malformed:
    """Over HTTP, to a gateway and a portal that run as an operator runs them."""
    with made_folder() as folder:
        async with deployed(folder, **GATEWAY) as deployment:
            served = await deployment.add_gateway(gateway)
            async with a_portal(folder, deployment.env, KONSTRUCT) as (portal, port), inside(deployment.env) as here:
                settings, database, vault = here
                world = await entrances.opened(settings, database, vault, deployment.owner_url, inputs)
                pids = {"gateway": served.pid, "portal": portal.pid}
                addresses = (deployment.gateway_urls[0], f"http://127.0.0.1:{port}")
                found = await attacked(world, addresses, inputs, seed, pids=pids)
                found.broken += [f"{each.name} ended" for each in (served, portal) if each.deaths]
                await check_what_is_kept(found, deployment.owner_url)
        if found.amiss:
            # What failed stands in the programs' logs.
            kept = Path(tempfile.gettempdir()) / f"konstruct-faults-{seed}"
            for log in (*deployment.log_files, folder / "portal.log"):
                kept.mkdir(exist_ok=True)
                shutil.copy(log, kept)
    return found


@asynccontextmanager
async def inside(env: Mapping[str, str]) -> AsyncIterator[tuple[Settings, Database, Vault]]:
    """As the programs have it whose environment this is."""
    prefix = "KONSTRUCT_"
    named = {name.removeprefix(prefix).lower(): value for name, value in env.items() if name.startswith(prefix)}
    settings = Settings(**named)  # type: ignore[arg-type]  # Texts, as the environment has them.
    assert settings.database_url is not None
    database = Database(settings.database_url)
    try:
        yield settings, database, Vault(settings.encryption_keys)
    finally:
        await database.close()


async def attacked(
    world: World,
    addresses: tuple[str, str],
    inputs: int,
    seed: int,
    *,
    pids: Mapping[str, int] | None = None,
) -> Malformed:
    """``addresses``: of the gateway and the portal; ``pids``: of whom it is known how much memory they take."""
    found, numbers = Malformed(seed), iter(range(inputs))
    database = world.office.database
    before: dict[str, int] = {}

    async def one_after_another() -> None:
        wires = [Wire(address) for address in addresses]
        for number in numbers:
            if number % SIGNED_IN_EVERY == 0:
                world.owner = replace(world.owner, cookie=await sign_in(database, world.owner.user_id))
            if number == int(inputs * WARM):
                before.update({name: resident(pid) for name, pid in (pids or {}).items()})
            chance = random.Random(f"{seed}:{number}")
            entrance, sent = _drawn(world, chance)
            began = time.monotonic()
            status = await wires[sent.to_portal].ask(sent)
            found.seconds.append(time.monotonic() - began)
            _note(found, entrance, sent, status, number)
            tell_progress(len(found.seconds), inputs)
        for wire in wires:
            wire.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_another())
    for name, pid in (pids or {}).items():
        grown = resident(pid) - before[name]
        found.grown_megabytes[name] = grown // 1_000_000
        if grown > MOST_GROWTH:
            found.broken.append(f"the {name} has grown by {grown:,} bytes")
    return found


def _drawn(world: World, chance: random.Random) -> tuple[str, Sent]:
    ways = world.entrances
    [name] = chance.choices(list(ways), [weight for weight, _ in ways.values()])
    return name, ways[name][1](chance)


def _note(found: Malformed, entrance: str, sent: Sent, status: int | None, number: int) -> None:
    found.inputs[entrance] += 1
    found.statuses[f"{entrance} {status or 'no answer'}"] += 1
    what = f"{found.seed}:{number} {entrance} {sent.method} {sent.path[:100]} {status}"
    if status is None or status in (500, 501) or status > 503:
        found.broken.append(what)
    elif status >= 500:
        found.away[f"{sent.method} {sent.path.partition('?')[0][:60]} {status}"] += 1
    if sent.refused and status is not None and status < 400:
        found.taken.append(what)
    if sent.kept is not None and status == 200:
        found._acknowledged.append((entrance, sent.kept, what))


async def check_what_is_kept(found: Malformed, administrator: str) -> None:
    """What was acknowledged and is no message that was understood has to lie in the quarantine, byte for byte."""
    connection = await asyncpg.connect(administrator)
    try:
        aside = {row[0] for row in await connection.fetch("select sha256(body) from quarantined_events")}
        kept = {
            row[0] for row in await connection.fetch("select external_id from messages where external_id is not null")
        }
    finally:
        await connection.close()
    for entrance, said, what in found._acknowledged:
        if len(said) < 80 and b"{" not in said and _is_known(said.decode("latin-1"), kept):
            found.kept += 1
        elif _is_understood(said, entrance):
            continue
        elif hashlib.sha256(said).digest() in aside:
            found.kept += 1
        else:
            found.unkept.append(f"{what} {said[:60]!r}")


def _is_known(mark: str, kept: set[str]) -> bool:
    return any(mark in each for each in kept)


def _is_understood(body: bytes, entrance: str) -> bool:
    """It is a document that means something or nothing: what becomes of it is tried elsewhere."""
    try:
        if entrance == "stripe":
            return isinstance(json.loads(body), dict)
        (whatsapp_events._parse if entrance == "whatsapp" else bodies.parse_json)(body)
    except (ValueError, RecursionError, BadInput):
        return False
    return True


class Wire:
    """One connection, over which requests go byte for byte as they are; another one when it has ended."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, sent: Sent) -> int | None:
        """The status; None: it was not answered, twice."""
        for _ in range(2):
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            try:
                async with asyncio.timeout(PATIENCE):
                    return await self._answer(sent, *self._streams)
            except TimeoutError:
                self.close()
                return None
            except (OSError, asyncio.IncompleteReadError):
                # It may have been ended by the answer before.
                self.close()
        return None

    async def _answer(self, sent: Sent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(_written(sent, f"{self._host}:{self._port}"))
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        while not answer.is_whole:
            data = await reader.read(65_536)
            if not data:
                raise asyncio.IncompleteReadError(b"", None)
            parser.feed_data(data)
        if not parser.should_keep_alive():
            self.close()
        return parser.get_status_code()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class _Answer:
    is_whole = False

    def on_message_complete(self) -> None:
        self.is_whole = True


def _written(sent: Sent, host: str) -> bytes:
    head = [f"{sent.method} {sent.path} HTTP/1.1".encode(), f"Host: {host}".encode()]
    # No line ends: what would be another request is tried with slow clients.
    head += [name.encode() + b": " + value.translate(None, b"\r\n") for name, value in sent.headers]
    if sent.method != "GET":
        head.append(b"Content-Length: %d" % len(sent.body))
    return b"\r\n".join(head) + b"\r\n\r\n" + (sent.body if sent.method != "GET" else b"")


ENTRIES: Final = (
    Entry(
        "F14",
        "Requests that nobody should send, to every webhook, every operation of the API, every page and form",
        "No failure of ours, no growth, nothing taken that nobody signed, and what is acknowledged is kept.",
        full=120_000,
        short=250,
        run=posted,
        twin=partial(posted, gateway=DROPS_WHAT_IS_ODD),
    ),
    Entry(
        "F14-parsers",
        "Answers of models and tools, tokens, manifests, sitemaps and addresses that are nothing of the kind",
        "Each is turned down in a sentence. Its twin is a parser: tests/faults/test_malformed.py.",
        full=60_000,
        short=280,
        run=parsed,
    ),
)
