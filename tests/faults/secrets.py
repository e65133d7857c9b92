"""Whether something secret lies open: in the files of a deployment, in its tables, and in what Redis holds.

Each is looked for as it is, and as it stands in hexadecimal, in base64 and in JSON or an address, where it would be
overlooked. A table is read by the server as well, which keeps long values compressed in its files.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import redis.asyncio

from konstruct.settings import Settings
from tests.faults import records
from tests.faults.people import Office
from tests.faults.services import Deployment

SHORTEST: Final = 8
"""Characters: what is shorter turns up by chance."""
_PIECE: Final = 8 << 20
_WORD: Final = re.compile(rb"m[0-9a-f]{12}(?![0-9a-f])|6d(?:3[0-9]|6[1-6]){12}")
"""A mark, as it is and in hexadecimal: of these there may be too many to be looked for one by one."""


class Needles:
    """What must not be found, by the name under which it is told of."""

    def __init__(self, canaries: Mapping[str, str], marks: Collection[str] = ()) -> None:
        """``marks``: words that people said, of the shape of ``history.MARK``."""
        short = [name for name, secret in canaries.items() if len(secret) < SHORTEST]
        assert not short, f"too short to be told from chance: {short}"
        self._shapes = [(shape, name) for name, secret in canaries.items() for shape in _shapes(secret.encode())]
        self._marks = {mark.encode() for mark in marks}
        self.longest = max((len(shape) for shape, _ in self._shapes), default=0) + 26

    def found_in(self, content: bytes) -> set[str]:
        found = {name for shape, name in self._shapes if shape in content}
        for match in _WORD.finditer(content) if self._marks else ():
            word = match.group()
            if (bytes.fromhex(word.decode()) if word.startswith(b"6d") else word) in self._marks:
                found.add("what somebody said")
        return found


def _shapes(secret: bytes) -> set[bytes]:
    """Without what marks it as a secret, by which a log knows and blacks out the rest."""
    text = secret.decode()
    core = text.rpartition("-")[2]
    core = core if len(core) >= SHORTEST else text
    shapes = {core.encode(), core.encode().hex().encode(), quote(core, safe="").encode()}
    shapes.add(json.dumps(core)[1:-1].encode())
    for offset in range(3):
        # Where it stands in the middle of something encoded, all but its ends looks like this.
        encoded = base64.b64encode(b"\0" * offset + core.encode())
        whole = encoded[(offset * 8 + 5) // 6 : (offset + len(core)) * 8 // 6]
        shapes |= {whole, whole.translate(bytes.maketrans(b"+/", b"-_"))}
    return shapes


class _Search:
    """Through something that comes in pieces: the end of each is looked at again with the next."""

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._rest = b""
        self.found: set[str] = set()

    def look(self, piece: bytes) -> None:
        content = self._rest + piece
        self.found |= self._needles.found_in(content)
        self._rest = content[-self._needles.longest :]


def in_files(folder: Path, needles: Needles) -> list[str]:
    """Of all files below it, those that hold something. What goes away meanwhile, as a server's do, is over."""
    places = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        search = _Search(needles)
        with suppress(FileNotFoundError), path.open("rb") as file:
            while piece := file.read(_PIECE):
                search.look(piece)
        places += [f"{path.relative_to(folder)}: {name}" for name in sorted(search.found)]
    return places


async def in_tables(owner_url: str, needles: Needles) -> list[str]:
    """Of all tables of the database, read as an administrator."""
    administrator = await asyncpg.connect(owner_url)
    try:
        # Until a checkpoint Postgres may hold in memory what it wrote, where a look at its files does not find it.
        await administrator.execute("checkpoint")
        places = []
        for table in await records.tables(administrator):
            search = _Search(needles)

            async def take(rows: bytes, search: _Search = search) -> None:
                search.look(rows)

            await administrator.copy_from_query(f"select * from {table}", output=take)
            places += [f"table {table}: {name}" for name in sorted(search.found)]
        return places
    finally:
        await administrator.close()


async def in_redis(url: str, needles: Needles) -> list[str]:
    """Of all keys, with what they hold."""
    places = []
    async with redis.asyncio.from_url(url) as client:
        keys: list[bytes] = [key async for key in client.scan_iter()]
        for key in keys:
            content = b" ".join([key, *await _held(client, key)])
            places += [f"redis {key.decode(errors='replace')}: {name}" for name in sorted(needles.found_in(content))]
    return places


async def _held(client: Any, key: bytes) -> list[bytes]:
    kind = (await client.type(key)).decode()
    if kind == "hash":
        return [part for pair in (await client.hgetall(key)).items() for part in pair]
    if kind == "stream":
        entries = await client.xrange(key)
        return [part for _, fields in entries for pair in fields.items() for part in pair]
    several = {
        "list": lambda: client.lrange(key, 0, -1),
        "set": lambda: client.smembers(key),
        "zset": lambda: client.zrange(key, 0, -1),
    }
    if kind in several:
        return list(await several[kind]())
    return [await client.get(key) or b""]


def of_settings(env: Mapping[str, str]) -> dict[str, str]:
    """All that the deployment's settings keep secret, by the names of their variables. The addresses of its own servers
    are left out: their passwords stand in the servers' own private files."""
    found = {}
    for name, field in Settings.model_fields.items():
        value = env.get(variable := f"KONSTRUCT_{name.upper()}", "")
        if value and "SecretStr" in str(field.annotation) and not name.endswith("_url"):
            for number, secret in enumerate(value.split(",")):
                found[f"{variable} {number}" if number else variable] = secret
    return found


def of_offices(offices: Iterable[Office]) -> dict[str, str]:
    return {f"the bot token of {office.slug}": office.workspace.bot_token for office in offices}


async def scan(deployment: Deployment, canaries: Mapping[str, str], marks: Collection[str] = ()) -> list[str]:
    """Places at which one of them lies open: logs, all tables, Temporal's histories, Redis, and all other files.

    Args:
        canaries: secrets by the names under which they are told of, besides those of the settings; no secret itself is
            in what is found.
        marks: words that people said, which are sealed before they go anywhere.
    """
    needles = Needles({**of_settings(deployment.env), **canaries}, marks)
    places = await in_tables(deployment.owner_url, needles)
    places += await in_redis(deployment.env["KONSTRUCT_REDIS_URL"], needles)
    return places + in_files(deployment.folder, needles)
