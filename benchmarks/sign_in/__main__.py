"""Asks the portal of accounts that exist and that do not, and compares the times: ``python -m benchmarks.sign_in``."""

import argparse
import asyncio
import random
import secrets
import statistics
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

import httpx
from cryptography.fernet import Fernet
from pydantic import SecretStr

from benchmarks.support.folder import data_folder, say
from konstruct import db
from konstruct.db import Database
from konstruct.embedded import postgres
from konstruct.embedded.supervisor import Supervisor
from konstruct.identity import new_id
from konstruct.limits import LocalLimiter
from konstruct.settings import Settings
from portal.app import build
from portal.guard import Guard
from tests.support.members import make_user

PATHS: Mapping[str, Mapping[str, str]] = {
    "/sign-in": {"password": "not the password of it"},
    "/reset": {},
    "/sign-up": {"name": "Nora", "business": "Lind Bikes", "password": "four quiet lanterns drifting"},
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60, help="of requests, one of each kind")
    options = parser.parse_args()
    with data_folder() as data:
        async with Supervisor(lambda sentence: None) as supervisor:
            part = await postgres.prepared(data)
            await supervisor.start(part.program)
            await part.create_database()
            await db.migrate(SecretStr(part.owner_url))
            settings = Settings(
                data_dir=data,
                database_url=SecretStr(part.app_url),
                encryption_keys=(SecretStr(Fernet.generate_key().decode()),),
            )
            guard = build(settings)
            vars(guard.services)["limiter"] = LocalLimiter()
            say(f"{'':10} {'known ms':>9} {'unknown ms':>11} {'ratio':>7} {'told apart':>11}")
            for path in PATHS:
                say(row(path, await measure(guard, path, options.pairs)))
            await guard.services.close()


async def measure(guard: Guard, path: str, pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of requests about accounts that exist, and of others."""
    known = [f"known-{secrets.token_hex(6)}@example.com" for _ in range(pairs)]
    for address in known:
        await make_user(database(guard), new_id(), address, "Known")
    await ask(guard, path, "first@example.com")  # Warms up what is made once.
    times: tuple[list[float], list[float]] = ([], [])
    for address in known:
        asked = [(0, address), (1, f"known-{secrets.token_hex(6)}@example.com")]
        # In either order, so that what else the machine does hits both alike.
        random.shuffle(asked)
        for which, said in asked:
            times[which].append(await ask(guard, path, said))
    return times


def database(guard: Guard) -> Database:
    return guard.services.database


async def ask(guard: Guard, path: str, address: str) -> float:
    # From a network of its own each, since throttles count by network.
    network = str(IPv4Address(random.randrange(0x0B000000, 0x7E000000)))
    transport = httpx.ASGITransport(guard, client=(network, 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as visitor:
        began = time.perf_counter()
        answer = await visitor.post(
            path, data={**PATHS[path], "email": address}, headers={"sec-fetch-site": "same-origin"}
        )
        took = time.perf_counter() - began
    if answer.status_code not in (303, 422):
        raise SystemExit(f"{path} answered {answer.status_code}.")
    return took


def row(path: str, times: tuple[Sequence[float], Sequence[float]]) -> str:
    known, unknown = (statistics.median(each) * 1000 for each in times)
    return f"{path:10} {known:9.1f} {unknown:11.1f} {known / unknown:7.3f} {told_apart(*times):10.0%}"


def told_apart(known: Sequence[float], unknown: Sequence[float]) -> float:
    """How often the slower of two, one of each kind, is the same kind: 50 % is a coin."""
    slower = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in known for b in unknown)
    share = slower / (len(known) * len(unknown))
    return max(share, 1 - share)


if __name__ == "__main__":
    asyncio.run(main())
