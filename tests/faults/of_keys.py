"""F26: the deployment's keys are replaced while people write, as docs/operating.md says, and the old one is gone before
its time in between.

A key is gone for good only when no conversation that began before is under way any more. That takes days of silence,
so here these are ended once all of them are answered.
"""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from cryptography.fernet import Fernet
from temporalio.client import Client

from konstruct.embedded.loopback import free_port
from konstruct.vault import decrypted
from tests.faults.catalogue import Entry, Tally
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Writer
from tests.faults.services import KONSTRUCT, Service
from tests.faults.tries import REFUSED_FOR_NOW, WAIT, answered_otherwise, answers, statuses
from tests.support.commands import konstruct
from tests.support.processes import until

COUNTS_MISSING_KEYS: Final = ("tests.faults.broken.counts_missing_keys",)
WORDS: Final = 3
"""That are said while one program is away."""
A_SECOND: Final = 2.0
ENOUGH_TRIES: Final = 5
"""After so many a message is set aside when it is to blame itself."""
KEYS: Final = "KONSTRUCT_ENCRYPTION_KEYS"
IS_READY: Final = re.compile(r"\b(?:gateway|worker)_ready\b")
IS_TOLD: Final = re.compile(r"\bkeys_missing\b")
FAILED: Final = re.compile(r"KeyMissing|InvalidToken|InvalidTag|cannot be opened|keys_missing|No key opens")
"""How logs tell of what does not open, whichever part of the product it is that says so."""
REFUSALS: Final = (f"Nothing in this database opens with {KEYS}", f"{KEYS} is empty")
CONVERSATIONS: Final = "WorkflowType = 'ConversationWorkflow' and ExecutionStatus = 'Running'"
WRAPPED: Final = "select tenant_id, unnest(array[wrapped, previous, digesting]) as wrapped from tenant_keys"


@dataclass
class Found:
    failed: list[str] = field(default_factory=list)
    """Lines about what did not open although each program had the keys that it was to have."""
    untold: list[str] = field(default_factory=list)
    """Programs that started without a key that is needed, and said nothing of it."""
    left: list[str] = field(default_factory=list)
    """What the old key still opens, of all that it was to open no more."""
    not_refused: list[str] = field(default_factory=list)
    """Programs that started without any key that fits, or ended without a sentence."""


async def rotated(times: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT) -> Tally:
    """Each time a new key comes behind the old one, then before it; the old one is gone too early, and comes back; all
    is put under the new one, and the old one is gone for good."""
    workers = (worker, worker)
    async with open_lab(seed, people=2, callers=2, gateways=(KONSTRUCT, KONSTRUCT), workers=workers) as lab:
        found = Found()
        for _ in range(times):
            await _rotate(lab, found)
        verdict = await lab.judged()
        # Nobody takes a conversation over here, no one writes too much, and no message is to blame.
        given_up = [f"{verdict.told} words were told something else than an answer"] if verdict.told else []
        return Tally.beside(
            verdict,
            {"statuses": statuses(lab)},
            {"answered_otherwise": answered_otherwise(lab), "given_up": given_up, **vars(found)},
        )


async def _rotate(lab: Lab, found: Found) -> None:
    deployment = lab.deployment
    known = deployment.env[KEYS].split(",")
    old, new = known[0], Fernet.generate_key().decode()
    before = _said(lab, FAILED)
    await _restart_all(lab, old, new)
    await _restart(lab, deployment.gateways, new, old)
    # What was signed with former keys is verified with all of them.
    deployment.env[KEYS] = ",".join([new, *known])
    found.failed += (_said(lab, FAILED) - before).elements()

    await _lose(lab, found, old, new)

    before = _said(lab, FAILED)
    async with asyncio.TaskGroup() as saying:
        saying.create_task(lab.crowd.talk(2 * WORDS, lab.chance, a_second=A_SECOND))
        done = await konstruct("keys", "rotate", env=deployment.env)
    assert done.status == 0, done
    lab.note("all was put under the new key")
    await lab.come_to_rest()
    await _forget(lab)
    await _restart_all(lab, new)
    await lab.come_to_rest()
    found.failed += (_said(lab, FAILED) - before).elements()
    found.left += [
        f"{row['tenant_id']}'s key"
        for row in await lab.administrator.fetch(WRAPPED)
        if row["wrapped"] and decrypted(Fernet(old), row["wrapped"]) is not None
    ]
    for keys in (old, ""):
        found.not_refused += await _not_refused(lab, keys)


async def _lose(lab: Lab, found: Found, old: str, new: str) -> None:
    """Workers first, so that there is something under way that they cannot open, for those whom they know and for those
    who write for the first time. One business is there whose key is the new one's."""
    deployment, told = lab.deployment, _said(lab, IS_TOLD).total()
    concerned = list(lab.offices)
    known, other = list(lab.crowd.writers), await lab.new_office()
    await _restart(lab, deployment.workers[:1], new)
    lab.note("one worker has lost a key")
    # What that one cannot open, the other does.
    await _all_speak(known)
    await lab.come_to_rest()
    await _restart(lab, deployment.workers[1:], new)
    lab.note("the workers have lost a key")
    # Of whom nothing that Temporal holds was ever under the old key.
    fresh, newcomer = [lab.crowd.person(office) for office in concerned], lab.crowd.person(other)
    await _all_speak([*known, *fresh])
    await _answered(lab, newcomer)
    client = await Client.connect(deployment.temporal_address)
    await until(partial(_is_tried, client), WAIT)
    # What is said now would not be taken before the key is back.
    await _restart(lab, deployment.gateways, new, words=0)
    lab.note("the gateways have lost it, too")
    async with asyncio.TaskGroup() as saying:
        saying.create_task(_all_speak([*known, *fresh]))
        await answers(lab, REFUSED_FOR_NOW, at_least=len(known))
        await _answered(lab, newcomer)
        if (times := _said(lab, IS_TOLD).total() - told) < len(deployment.gateways) + len(deployment.workers):
            found.untold.append(f"only {times} programs said that a key is missing")
        await _restart_all(lab, new, old)
        lab.note("the key is back")
    await lab.come_to_rest()


async def _all_speak(writers: Iterable[Writer]) -> None:
    await asyncio.gather(*(writer.say() for writer in writers))


async def _answered(lab: Lab, writer: Writer) -> None:
    word = await writer.say()
    await until(lambda: word.mark not in lab.crowd.missing(), WAIT)


async def _is_tried(client: Client) -> bool:
    """Whether somebody's message was tried so often that it would be set aside if it were to blame."""
    most = 0
    async for run in client.list_workflows(CONVERSATIONS):
        described = await client.get_workflow_handle(run.id, run_id=run.run_id).describe()
        most = max([most, *(each.attempt for each in described.raw_description.pending_activities)])
    return most >= ENOUGH_TRIES


async def _forget(lab: Lab) -> None:
    """As after days, Temporal holds nothing any more that began with the old key: no conversation, and nothing of what
    is done again and again, each time with the result of the time before."""
    client, since = await Client.connect(lab.deployment.temporal_address), datetime.now(UTC)
    async for run in client.list_workflows(CONVERSATIONS):
        await client.get_workflow_handle(run.id, run_id=run.run_id).terminate("as after days of silence")

    async def is_done_again(schedule_id: str) -> bool:
        query = f"TemporalScheduledById = '{schedule_id}' and CloseTime > '{since.isoformat()}'"
        return (await client.count_workflows(f"{query} and ExecutionStatus = 'Completed'")).count > 0

    async for schedule in await client.list_schedules():
        await client.get_schedule_handle(schedule.id).trigger()
        await until(partial(is_done_again, schedule.id), WAIT)


async def _restart_all(lab: Lab, *keys: str) -> None:
    """A gateway and a worker at a time."""
    for pair in zip(lab.deployment.gateways, lab.deployment.workers, strict=True):
        await asyncio.gather(*(_restart(lab, [each], *keys) for each in pair))


async def _restart(lab: Lab, services: Sequence[Service], *keys: str, words: int = WORDS) -> None:
    """One after the other, each while so much is said. Returns when the last has said that it is ready."""
    for service in services:
        service.change(encryption_keys=",".join(keys))
        before = _times_ready(service)
        await service.kill(signal.SIGTERM)
        # That somebody works on conversations, by which a worker counts as ready, may be said of another one.
        is_there = until(partial(_is_ready_again, service, before), WAIT)
        await asyncio.gather(is_there, lab.crowd.talk(words, lab.chance, a_second=A_SECOND))


def _is_ready_again(service: Service, before: int) -> bool:
    return _times_ready(service) > before


def _times_ready(service: Service) -> int:
    return len(IS_READY.findall(service.program.log.read_text()))


def _said(lab: Lab, what: re.Pattern[str]) -> Counter[str]:
    """Lines of all logs so far in which it stands."""
    lines = [line for file in lab.deployment.log_files for line in file.read_text(errors="replace").splitlines()]
    return Counter(line for line in lines if what.search(line))


async def _not_refused(lab: Lab, keys: str) -> list[str]:
    """Those that start with these keys although none of them fits, or end and do not say why."""
    env = lab.deployment.env | {KEYS: keys, "KONSTRUCT_GATEWAY_PORT": str(free_port())}
    found = []
    for command in ("gateway", "worker"):
        try:
            async with asyncio.timeout(WAIT):
                done = await konstruct(command, env=env)
        except TimeoutError:
            found.append(f"{command} started")
            continue
        if done.status != 1 or not any(sentence in done.complained for sentence in REFUSALS):
            found.append(f"{command} ended with {done.status}: {done.complained[-200:]}")
    return found


ENTRIES: Final = (
    Entry(
        "F26",
        "The keys that all is sealed under are replaced while people write, and one is gone before its time",
        "Nothing fails to open, all goes on when the key is back, and a program without one that fits does not start.",
        full=5,
        short=1,
        run=rotated,
        twin=partial(rotated, worker=COUNTS_MISSING_KEYS),
    ),
)
