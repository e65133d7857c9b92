"""F9: programs and Postgres are killed between what is done and what is told of it, whatever it was that was done."""

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Final

from tests.faults.agents import Agents, Refused, at_work
from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Office
from tests.faults.services import KONSTRUCT
from tests.faults.tries import talking
from tests.support.commands import konstruct

A_SECOND: Final = 6.0
AUDITS_AFTERWARDS: Final = ("tests.faults.broken.audits_afterwards",)
BETWEEN: Final = 0.5
"""Seconds between one change of an employee, or of an owner, and the next."""


async def programs_killed(lab: Lab, times: int) -> Verdict:
    """At random moments, each time another one, while people write, agents take over, and employees change."""
    stop = asyncio.Event()
    async with at_work(lab) as agents, talking(lab, a_second=A_SECOND), asyncio.TaskGroup() as acting:
        acting.create_task(_change(lab, lab.offices[-1], stop))
        acting.create_task(_take_over(lab, agents, stop))
        for number in range(times):
            await asyncio.sleep(lab.chance.uniform(0.3, 1.5))
            deployment = lab.deployment
            victim = (deployment.workers[0], deployment.gateways[number % 2], deployment.postgres)[number % 3]
            await victim.kill()
            lab.note(f"{victim.name} was killed")
            await victim.ready()
        stop.set()
    await lab.all_ready()
    return await lab.judged()


async def _change(lab: Lab, office: Office, stop: asyncio.Event) -> None:
    """Another version of the employee and another limit each time, as far as the database is there for it."""
    file = lab.deployment.folder / f"{office.slug}.yaml"
    document = json.loads(file.read_text())
    tokens = {"BOT_TOKEN": office.workspace.bot_token, "WHATSAPP_TOKEN": office.number.token}
    number = 0
    while not stop.is_set():
        number += 1
        document["employees"]["front"]["system_prompt"] = f"Be helpful, in way {number}."
        document["limits"]["contact"] = f"{100_000 + number}/second"
        file.write_text(json.dumps(document))
        # Cut off by a kill or not: what it did is told, and what it did not is not.
        await konstruct("apply", str(file), env=lab.deployment.env | tokens)
        await asyncio.sleep(BETWEEN)


async def _take_over(lab: Lab, agents: Agents, stop: asyncio.Event) -> None:
    """One conversation after another, each given back at once."""
    while not stop.is_set():
        await asyncio.sleep(BETWEEN)
        if talked := [person for person in lab.crowd.people if person.root]:
            with suppress(Refused):
                await agents.hand_back(await agents.take_over(lab.chance.choice(talked)))


async def tried(times: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT) -> Verdict:
    async with open_lab(seed, gateways=(KONSTRUCT, KONSTRUCT), workers=(worker,)) as lab:
        return await programs_killed(lab, times)


ENTRIES: Final = (
    Entry(
        "F9",
        "Programs and Postgres are killed while messages, takeovers and new versions are written",
        "What was done is in the trail, and what is in the trail was done, one for one; nothing is lost meanwhile.",
        full=200,
        short=1,
        run=tried,
        twin=partial(tried, worker=AUDITS_AFTERWARDS),
    ),
)
