"""F30: the database is lost, and put back from a backup that was made while people wrote and a worker died; or what
Temporal keeps is lost, while answers were being sent."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

from konstruct.embedded.postgres import binaries
from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Person, answer
from tests.faults.services import Deployment
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour

PEOPLE: Final = 4
"""Of each office, each time."""
WORDS: Final = 24
"""While the backup is made, and about as many before and after it."""
A_SECOND: Final = 12.0
THINKS_FOR: Final = 0.5
"""Seconds, so that there is something under way at any moment."""

PutBack = Callable[[Deployment, Path], Awaitable[str]]
"""Gives what it said."""


@dataclass
class Recovered:
    verdict: Verdict
    backups: list[float] = field(default_factory=list)
    """Seconds that each took."""
    restores: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What became of what was under way, as the command says it."""

    @property
    def amiss(self) -> dict[str, list[str]]:
        return self.verdict.amiss

    def counts(self) -> dict[str, object]:
        return {
            **self.verdict.counts(),
            "backup_seconds": self.backups,
            "restore_seconds": self.restores,
            "said_of_it": self.told,
        }


async def by_the_command(deployment: Deployment, folder: Path) -> str:
    done = await konstruct("restore", str(folder), "--replace", env=_with_owner(deployment))
    assert done.status == 0, done
    return done.said


async def naively(deployment: Deployment, folder: Path) -> str:
    """As whoever knows PostgreSQL and nothing of the product would do it."""
    url = deployment.owner_url
    emptied = "drop schema public cascade; create schema public"
    await _run("psql", "--quiet", f"--command={emptied}", url)
    return await _run("pg_restore", f"--dbname={url}", str(folder / "database.dump"))


async def lost_and_restored(
    times: int, seed: int, *, put_back: PutBack = by_the_command, within: float = 180.0
) -> Recovered:
    """``within``: seconds, in which all has to be answered or with people."""
    async with open_lab(seed, people=0) as lab:
        lab.models.always("anthropic", Behaviour(answer=answer, first_token_delay=THINKS_FOR))
        recovered = Recovered(Verdict(seed))
        for number in range(times):
            folder = lab.deployment.folder / f"backup-{number}"
            # Others each time: what is said to people after a backup, and was not answered, is gone with the database.
            people = [lab.crowd.person(office) for office in lab.offices for _ in range(PEOPLE)]
            await _back_up_amid_words(lab, people, folder, recovered)
            await _lose(lab, folder, put_back, recovered)
            await _talk(lab, people)
            await lab.come_to_rest(within)
        recovered.verdict = await lab.judged(within=0.0)
        return recovered


async def _talk(lab: Lab, people: Sequence[Person]) -> None:
    async with asyncio.TaskGroup() as saying:
        for _ in range(WORDS):
            saying.create_task(lab.chance.choice(people).say(repeats=lab.chance.randint(0, 1)))
            await asyncio.sleep(lab.chance.expovariate(A_SECOND))


async def _back_up_amid_words(lab: Lab, people: Sequence[Person], folder: Path, recovered: Recovered) -> None:
    """With a worker that died a moment ago: words are received, thought about, or about to be answered. All of them are
    answered before the database is lost, as backups are of yesterday."""
    [worker] = lab.deployment.workers
    talking = asyncio.create_task(_talk(lab, people))
    await asyncio.sleep(lab.chance.uniform(0.4, 0.8) * WORDS / A_SECOND)
    await worker.kill()
    await worker.stop()
    await asyncio.gather(*(person.say() for person in lab.chance.sample(people, len(people) // 2)))
    began = time.monotonic()
    done = await konstruct("backup", str(folder), env=_with_owner(lab.deployment))
    assert done.status == 0, done
    recovered.backups.append(round(time.monotonic() - began, 1))
    await worker.start()
    await talking
    await _talk(lab, people)
    await lab.come_to_rest()


async def _lose(lab: Lab, folder: Path, put_back: PutBack, recovered: Recovered) -> None:
    programs = [*lab.deployment.gateways, *lab.deployment.workers]
    for program in programs:
        await program.stop()
    lab.note("the database was lost, and put back from a backup")
    began = time.monotonic()
    recovered.told.append(await put_back(lab.deployment, folder))
    recovered.restores.append(round(time.monotonic() - began, 1))
    # What they remember of tables is of those that are gone.
    await lab.administrator.expire_connections()
    for program in programs:
        await program.start()


async def engine_lost(times: int, seed: int, *, sweeps_sends: bool = True, within: float = 180.0) -> Verdict:
    """Temporal begins anew with nothing, after a worker died while the channel had just taken an answer and had not yet
    said so. ``sweeps_sends``: else sends are left to a workflow that is not there any more, as they once were."""
    async with open_lab(seed, people=0) as lab:
        if not sweeps_sends:
            await lab.administrator.execute(_former_sweep())
        for _ in range(times):
            people = [lab.crowd.person(office) for office in lab.offices for _ in range(PEOPLE)]
            await asyncio.gather(*(person.say() for person in people))
            await lab.come_to_rest(within)
            await _lose_engine(lab, people, within)
            await asyncio.gather(*(person.say() for person in people))
            await lab.come_to_rest(within)
        return await lab.judged(within=within)


async def _lose_engine(lab: Lab, people: Sequence[Person], within: float) -> None:
    [worker], engine = lab.deployment.workers, lab.deployment.temporal
    cut_off = people[: len(people) // 2]
    held = [lab.slack.hold_next(f"chat.postMessage {person.channel}", accepted=True) for person in cut_off]
    await asyncio.gather(*(person.say() for person in people))
    for person in cut_off:
        await lab.slack.wait_for_message(person.channel, 2, team=person.office.workspace.team_id, timeout=120.0)
    await worker.kill()
    await worker.stop()
    await engine.stop()
    lab.note("what Temporal keeps was lost")
    for file in (lab.deployment.folder / "temporal").iterdir():
        file.unlink()
    await engine.start()
    for release in held:
        release.set()
    # As if it had taken the sweep so long to be sure that nobody is at them any more.
    await lab.administrator.execute(
        "update messages set created_at = created_at - interval '11 minutes',"
        " sending_at = sending_at - interval '11 minutes' where state in ('received', 'taken', 'pending', 'sending')"
    )
    await worker.start()
    await lab.come_to_rest(within)


def _former_sweep() -> str:
    script = resources.files("konstruct.migrations").joinpath("versions", "0008_whatsapp.sql").read_text()
    found = re.search(r"create (function unsettled_messages.*?\$\$;)", script, re.DOTALL)
    assert found is not None
    return f"create or replace {found[1]}"


def _with_owner(deployment: Deployment) -> dict[str, str]:
    return deployment.env | {"KONSTRUCT_DATABASE_OWNER_URL": deployment.owner_url}


async def _run(program: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(str(binaries() / program), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


ENTRIES: Final = (
    Entry(
        "F30",
        "The database is lost, and put back from a backup that was made while people wrote and a worker had died",
        "Nothing is answered or sent again, what was under way is answered or with people, and the trail verifies.",
        full=3,
        short=1,
        run=lost_and_restored,
        twin=partial(lost_and_restored, put_back=naively, within=90.0),
    ),
    Entry(
        "F30-temporal",
        "What Temporal keeps is lost, after a worker died while answers were being sent",
        "Nothing that was said is lost, and what the channel had taken is not sent or answered again.",
        full=5,
        short=1,
        run=engine_lost,
        twin=partial(engine_lost, sweeps_sends=False, within=20.0),
    ),
)
