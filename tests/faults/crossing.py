"""F16: whether the time that an answer takes tells what another tenant has.

That nothing of another tenant is told or changed by any route is tried in ``tests/tenancy/test_every_route.py`` and
``tests/portal/test_routes.py``, and signing in is timed by ``benchmarks.sign_in``; here the moments are compared that
refusals of the API take.
"""

import random
import statistics
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from konstruct.identity import new_id
from tests.faults import entrances
from tests.faults.catalogue import Entry, tell_progress
from tests.faults.entrances import GATEWAY, Sent, World
from tests.faults.lab import made_folder
from tests.faults.malformed import Wire, inside
from tests.faults.services import KONSTRUCT, deployed
from tests.gateway.programs import program_of
from tests.support.hostile import like
from tests.support.office import open_office
from tests.tenancy.test_every_route import TABLES

ALIKE: Final = 0.005
"""Seconds by which the medians may differ."""
CERTAIN: Final = 3.0
"""Standard errors: what is nearer than so many may be the machine's doing."""
LOOKS_AMONG_ALL: Final = ("tests.faults.broken.looks_among_all",)


@dataclass
class Alike:
    seed: int
    asked: int = 0
    medians: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of what there is and of what there is not, in milliseconds."""
    told: list[str] = field(default_factory=list)
    """Where the answers differ, or the time that they take."""

    @property
    def amiss(self) -> dict[str, list[str]]:
        return {"told": self.told} if self.told else {}

    def counts(self) -> dict[str, object]:
        apart = sorted(self.medians.items(), key=lambda each: -abs(each[1][0] - each[1][1]))
        ratios = [there / nothing for there, nothing in self.medians.values() if nothing]
        return {
            "seed": self.seed,
            "asked": self.asked,
            "routes": len(self.medians),
            "median_ratio": round(statistics.median(ratios), 3) if ratios else None,
            "furthest_apart_ms": {name: [round(there, 2), round(nothing, 2)] for name, (there, nothing) in apart[:5]},
            "told": self.told,
        }


async def compared(times: int, seed: int, *, gateway: tuple[str, ...] = KONSTRUCT) -> Alike:
    """``times``: each route, with an id of another tenant's and with one of nothing, in an order left to chance."""
    found, chance = Alike(seed), random.Random(seed)
    with made_folder() as folder:
        async with deployed(folder, **GATEWAY) as deployment:
            await deployment.add_gateway(gateway)
            async with inside(deployment.env) as here:
                settings, database, vault = here
                theirs = await entrances.opened(settings, database, vault, deployment.owner_url, 0)
                office = await open_office(database, vault)
                routes = _with_ids(theirs)
                needed = 1 + 2 * times * len(routes) // entrances.REQUESTS_OF_A_KEY
                programs = [await program_of(office, "", name=f"program-{n}") for n in range(needed)]
                keys = [str(program.key) for program in programs]
                wire = Wire(deployment.gateway_urls[0])
                for number, (name, pair) in enumerate(routes.items(), 1):
                    await _compare(
                        found, wire, name, [_of_api(each, theirs, keys, chance) for each in pair], times, chance
                    )
                    tell_progress(number, len(routes))
                wire.close()
    return found


def _with_ids(theirs: World) -> dict[str, list[tuple[str, str, Any]]]:
    """By route: asked for what is theirs, and for what is nobody's."""
    found = {}
    for method, path, operation in theirs.operations:
        names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
        if names and all(theirs.ids.get(name) for name in names) and all(name in TABLES for name in names):
            there, nothing = path, path
            for name in names:
                there = there.replace(f"{{{name}}}", theirs.ids[name][0])
                nothing = nothing.replace(f"{{{name}}}", str(new_id()))
            found[f"{method.upper()} {path}"] = [
                (method.upper(), there, operation),
                (method.upper(), nothing, operation),
            ]
    return found


def _of_api(asked: tuple[str, str, Any], theirs: World, keys: list[str], chance: random.Random) -> Any:
    method, path, operation = asked
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    # The same for both, so that it is for the id alone that one of them is refused.
    same = random.Random(path.count("/"))
    body = b"" if content is None else entrances.as_json(like(content["schema"], same, theirs.parts, ["x"]))

    def request() -> Sent:
        headers = [("Authorization", f"Bearer {chance.choice(keys)}".encode()), ("Idempotency-Key", b"x")]
        return Sent(False, method, f"/api/v1{path}", body, [*headers, ("Content-Type", b"application/json")])

    return request


async def _compare(found: Alike, wire: Wire, name: str, pair: list[Any], times: int, chance: random.Random) -> None:
    seconds: tuple[list[float], list[float]] = ([], [])
    statuses: tuple[set[int | None], set[int | None]] = (set(), set())
    for _ in range(times):
        for which in chance.sample((0, 1), 2):
            request = pair[which]()
            began = time.perf_counter()
            statuses[which].add(await wire.ask(request))
            seconds[which].append(time.perf_counter() - began)
            found.asked += 1
    there, nothing = (statistics.median(each) for each in seconds)
    found.medians[name] = (there * 1_000, nothing * 1_000)
    if statuses[0] != statuses[1]:
        found.told.append(f"{name}: {statuses[0]} where there is something, {statuses[1]} where there is nothing")
    apart = [one - other for one, other in zip(*seconds, strict=True)]
    typical = statistics.median(apart)
    # Of a median, from how far its values lie around it, which a few that took very long do not change.
    error = 1.86 * statistics.median(abs(each - typical) for each in apart) / len(apart) ** 0.5
    if abs(typical) > ALIKE and abs(typical) > CERTAIN * error:
        found.told.append(f"{name}: {there * 1_000:.1f} ms where there is something, {nothing * 1_000:.1f} ms else")


ENTRIES: Final = (
    Entry(
        "F16",
        "Somebody measures how long it takes to be told that nothing is there",
        "What is another tenant's is refused as what there is not, with the same answer and within 5 ms of it.",
        full=40,
        # Moments are not compared where other tests run beside: make test looks at what is told alone.
        short=0,
        run=compared,
        twin=partial(compared, gateway=LOOKS_AMONG_ALL),
        # Of fewer moments it would be chance that finds it.
        twin_times=10,
    ),
)
