"""F14-schema: what the API's description allows, and what it does not, is asked; each answer is held against it.

Schemathesis makes the requests and judges the answers. It goes through what the description of an operation names,
limit by limit, and then on with whatever comes to mind.
"""

import asyncio
import itertools
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import schemathesis
from schemathesis import AuthContext, Case
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import Interaction

from gateway.api.described import described
from konstruct.db import Database
from konstruct.vault import Vault
from tests.faults.catalogue import Entry
from tests.faults.entrances import GATEWAY, keys_of, known_ids
from tests.faults.lab import made_folder
from tests.faults.malformed import PATIENCE, inside
from tests.faults.services import KONSTRUCT, deployed
from tests.support.showroom import furnish

ANSWERS_OTHERWISE: Final = ("tests.faults.broken.answers_otherwise",)
OF_AN_OPERATION: Final = 60
"""Cases; not all are asked where that would be fewer: so many does it take to go through what a description names."""
KNOWN: Final = 0.8
"""How often something that there is stands in an address, rather than anything of the right shape."""
LONGEST: Final = 2_000
"""Characters that are told of what is wrong."""
CHECKS: Final = {
    # Nobody is there who could be asked outside; that is said so.
    "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "502", "503"]},
    # A description cannot say all that makes sense: which models there are, that a day comes after another.
    "positive_data_acceptance": {"enabled": False},
}
BLINDLY: Final = {"operation-ordering": "none", "extra-data-sources": {"responses": False}}
"""Whatever was answered before, so that a seed asks the same again."""


@dataclass
class Conforming:
    seed: int
    cases: Counter[str] = field(default_factory=Counter)
    """By operation."""
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    wrong: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By the check that found it, what is wrong with which answer to what."""

    @property
    def amiss(self) -> dict[str, list[str]]:
        return dict(self.wrong)

    def counts(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "cases": self.cases.total(),
            "operations": len(self.cases),
            "fewest_of_an_operation": min(self.cases.values(), default=0),
            "statuses": dict(sorted(self.statuses.items())),
            "seconds": round(self.seconds),
            "wrong": {check: len(each) for check, each in sorted(self.wrong.items())},
        }


@dataclass(frozen=True)
class Subject:
    """A business whose programs ask, and one of which they must be told nothing."""

    keys: Sequence[str]
    ids: Mapping[str, Sequence[str]]
    """Of both, by what an address calls them."""
    others: frozenset[str]


async def conforming(cases: int, seed: int, *, gateway: tuple[str, ...] = KONSTRUCT) -> Conforming:
    """Of a gateway that runs as an operator runs it."""
    with made_folder() as folder:
        async with deployed(folder, **GATEWAY) as deployment:
            await deployment.add_gateway(gateway)
            # What an agent does with a conversation is answered by whoever works on it.
            await deployment.add_worker()
            async with inside(deployment.env) as (_, database, vault):
                subject = await opened(database, vault, deployment.owner_url, cases)
            [url] = deployment.gateway_urls
            return await asyncio.to_thread(asked, url, subject, chosen(cases, seed), cases, seed)


async def opened(database: Database, vault: Vault, administrator: str, cases: int) -> Subject:
    ours, theirs = await furnish(database, vault), await furnish(database, vault)
    own, others = await known_ids(administrator, ours), await known_ids(administrator, theirs)
    strange = {name: [each for each in others[name] if each not in known] for name, known in own.items()}
    return Subject(
        await keys_of(ours, cases),
        {name: [*known, *strange[name]] for name, known in own.items() if known or strange[name]},
        frozenset(itertools.chain.from_iterable(strange.values())),
    )


def chosen(cases: int, seed: int) -> list[str]:
    """As many operations as so many cases are enough for."""
    paths = json.loads(described())["paths"]
    operations = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    return random.Random(seed).sample(operations, min(len(operations), max(1, cases // OF_AN_OPERATION)))


def asked(gateway: str, subject: Subject, operations: Sequence[str], cases: int, seed: int) -> Conforming:
    found, began = Conforming(seed), time.monotonic()
    document = json.loads(described())
    for phase in ("coverage", "fuzzing"):
        each = max(1, (cases - found.cases.total()) // len(operations))
        schema = schemathesis.openapi.from_dict(document, config=_config(gateway, subject, seed, phase, each))
        schema.auth(refresh_interval=None)(_in_turns(subject.keys))
        for event in from_schema(schema.include(name=list(operations))).execute():
            _note(found, event, subject.others)
    found.seconds = time.monotonic() - began
    return found


def _config(gateway: str, subject: Subject, seed: int, phase: str, examples: int) -> schemathesis.Config:
    """``examples``: for each operation, where whatever comes to mind is asked."""
    return schemathesis.Config.from_dict(
        {
            "seed": seed,
            "base-url": f"{gateway}/api/v1",
            "request-timeout": PATIENCE,
            "continue-on-failure": True,
            "cache": {"enabled": False},
            "dictionaries": {name: {"values": known} for name, known in subject.ids.items()},
            # In addresses alone: the trail may tell of an export what it was asked to be about.
            "parameters": {f"path.{name}": {"dictionary": name, "probability": KNOWN} for name in subject.ids},
            "generation": {
                "max-examples": examples,
                "no-shrink": True,
                "database": "none",
                "with-security-parameters": False,
            },
            "checks": CHECKS,
            "phases": {
                "examples": {"enabled": False},
                "coverage": {"enabled": phase == "coverage", **BLINDLY},
                "fuzzing": {"enabled": phase == "fuzzing", "error-feedback": {"enabled": False}, **BLINDLY},
                "stateful": {"enabled": False},
            },
        }
    )


def _in_turns(keys: Sequence[str]) -> type:
    """Each may be used only so often."""
    turns = itertools.cycle(keys)

    class InTurns:
        def get(self, case: Case[Any], context: AuthContext) -> str:
            return next(turns)

        def set(self, case: Case[Any], key: str, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {key}"

    return InTurns


def _note(found: Conforming, event: events.EngineEvent, others: frozenset[str]) -> None:
    if isinstance(event, events.NonFatalError):
        found.wrong["not_asked"].append(f"{event.label}: {event.value!r}"[:LONGEST])
    elif isinstance(event, events.FatalError):
        found.wrong["not_asked"].append(repr(event.exception)[:LONGEST])
    elif isinstance(event, events.ScenarioFinished):
        told = event.recorder
        found.cases[told.label] += len(told.interactions)
        for each in told.interactions.values():
            found.statuses[str(each.response.status_code if each.response else "no answer")] += 1
            if strange := _of_others(each, others):
                found.wrong["wrong_tenant"].append(f"{told.label} tells of {strange}: {each.request.uri}"[:LONGEST])
        for check in itertools.chain.from_iterable(told.checks.values()):
            if (failure := check.failure_info) is not None:
                found.wrong[check.name].append(f"{told.label}: {failure.failure} {failure.code_sample}"[:LONGEST])


def _of_others(told: Interaction, others: frozenset[str]) -> list[str]:
    """What of another business is found at an address, or told to somebody who did not name it."""
    if told.response is None:
        return []
    asked, answer = f"{told.request.uri}{told.request.body!r}", told.response.text
    found = {each for each in others if each in answer and each not in asked}
    if told.response.status_code < 400:
        address = urlsplit(told.request.uri).path
        found |= {each for each in others if each in address}
    return sorted(found)


ENTRIES: Final = (
    Entry(
        "F14-schema",
        "What the description of the API allows and what it does not, of every operation, with and without a key",
        "No failure of ours; answers are as described, what is not described is refused, nothing of others is told.",
        full=20_000,
        short=240,
        run=conforming,
        twin=partial(conforming, gateway=ANSWERS_OTHERWISE),
    ),
)
