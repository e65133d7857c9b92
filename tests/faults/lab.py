"""What each entry of the catalogue is tried on: a deployment between a pretended Slack, a pretended Meta and pretended
models, with businesses and people."""

import asyncio
import json
import logging
import math
import random
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
from temporalio.service import RPCError

from tests.faults import checker, records, tasks
from tests.faults.callers import Caller, new_contact
from tests.faults.checker import Verdict
from tests.faults.history import Happened, History
from tests.faults.people import Crowd, Office, answer
from tests.faults.services import KONSTRUCT, Deployment, deployed
from tests.support.commands import konstruct
from tests.support.graph_double import GraphDouble
from tests.support.model_doubles import Behaviour, ModelDoubles
from tests.support.slack_double import SlackDouble

MODEL: Final = "anthropic/claude-sonnet-4-6"
SECOND_MODEL: Final = "openai/gpt-5.4"
"""That is asked when the first does not answer, by whoever has both."""
NO_LIMIT: Final = "100000/second"
NOBODY_COUNTS: Final = 10**9
"""Meta's limits, which are another matter."""
TEMPLATE: Final = "we_have_an_answer"
KEPT_IN: Path | None = None
"""Where there will be a folder of what tells of something amiss; by default beside other temporary files."""
STILL: Final = 5.0
"""Seconds in which nothing is under way, after which nothing more will come of anything."""


logger = logging.getLogger(__name__)


@dataclass
class Lab:
    deployment: Deployment
    slack: SlackDouble
    graph: GraphDouble
    models: ModelDoubles
    history: History
    chance: random.Random
    crowd: Crowd
    administrator: asyncpg.Pool
    offices: list[Office] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Puts a fault down, and tells of it."""
        logger.info("%s", what)
        self.history.faults.append(Happened(time.monotonic(), what))

    async def new_office(self, *, models: Sequence[str] = (MODEL,), app_secret: str = "", **sections: object) -> Office:
        """``app_secret``: of a Meta app of its own, for its number. ``sections``: of the tenant's file, where they are
        to be others."""
        unique = secrets.token_hex(5).upper()
        workspace = self.slack.world.add_workspace(
            team_id=f"T{unique}",
            bot_user_id=f"U{unique}B",
            bot_id=f"B{unique}",
            bot_token=f"xoxb-{unique}-{secrets.token_hex(8)}",
        )
        number = self.graph.add_number()
        self.graph.approve_template(number, TEMPLATE)
        slug = f"office-{unique.lower()}"
        whatsapp = {
            "kind": "whatsapp",
            "phone_number_id": number.phone_number_id,
            "waba_id": number.waba_id,
            "access_token": "${WHATSAPP_TOKEN}",
            "functions": ["questions about orders, repairs and returns"],
            "employee": "front",
            "reengage_template": {"name": TEMPLATE, "language": "en"},
        }
        document = {
            "tenant": slug,
            "name": slug.title(),
            "models": list(models),
            "limits": dict.fromkeys(("contact", "connection", "tenant"), NO_LIMIT),
            "employees": {"front": {"name": "Ada", "role": "Front desk", "system_prompt": "Be helpful."}},
            "connections": {
                "slack": {"kind": "slack", "bot_token": "${BOT_TOKEN}", "employee": "front"},
                "whatsapp": whatsapp | ({"app_secret": "${APP_SECRET}"} if app_secret else {}),
            },
            **sections,
        }
        tokens = {"BOT_TOKEN": workspace.bot_token, "WHATSAPP_TOKEN": number.token, "APP_SECRET": app_secret}
        file = self.deployment.folder / f"{slug}.yaml"
        file.write_text(json.dumps(document))
        done = await konstruct("apply", str(file), env=self.deployment.env | tokens)
        assert done.status == 0, done
        tenant_id = await self.administrator.fetchval("select id::text from tenants where slug = $1", slug)
        office = Office(slug, tenant_id, workspace, number)
        self.offices.append(office)
        return office

    def caller(self, office: Office) -> Caller:
        """Somebody new who writes over WhatsApp."""
        caller = Caller(self.crowd, office, self.graph, new_contact(self.graph))
        self.crowd.callers.append(caller)
        return caller

    async def all_ready(self) -> None:
        """Whatever was killed or stopped is there again."""
        for service in self.deployment.services:
            await service.ready()

    async def come_to_rest(self, within: float = 180.0) -> None:
        """Until nothing is under way and all that was taken is answered. What is not answered when the time is over, or
        when nothing was under way for a while, is lost."""
        deadline, pause, still_since = time.monotonic() + within, 0.2, math.inf
        while (now := time.monotonic()) < deadline:
            async with self.administrator.acquire() as connection:
                is_quiet = await records.is_quiet(connection)
            still_since = min(still_since, now) if is_quiet else math.inf
            if is_quiet and (now - still_since > STILL or await self._is_settled()):
                break
            await asyncio.sleep(pause)
            # What has to be read for it is the more, the longer it takes.
            pause = min(pause * 1.5, 5.0)
        self.crowd.look()

    async def _is_settled(self) -> bool:
        """All that was taken is answered, or its contact was told something instead."""
        if not (missing := self.crowd.missing()):
            return True
        async with self.administrator.acquire() as connection:
            record = await records.messages(self.deployment, connection)
        return all(record.ended.get(mark) in checker.TOLD for mark in missing)

    async def judged(self, *, within: float = 180.0) -> Verdict:
        """Comes to rest, and compares. Where something is amiss, what tells of it is kept."""
        await self.come_to_rest(within)
        verdict = checker.check(self.history, await records.read(self.deployment))
        if verdict.amiss:
            await self.keep()
        return verdict

    async def keep(self) -> None:
        """In a folder that the seed names: what people saw, what programs said, what Postgres holds, and what Temporal
        has of conversations that are under way."""
        folder = Path(tempfile.mkdtemp(prefix=f"konstruct-faults-{self.history.seed}-", dir=KEPT_IN))
        self.history.save(folder / "people.ndjson")
        shutil.copytree(self.deployment.folder / "logs", folder / "logs")
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await records.keep(self.deployment, folder)
        with suppress(RPCError, RuntimeError):
            await tasks.keep(self.deployment.temporal_address, folder)
        logger.info("%s tells of it", folder)


@contextmanager
def made_folder() -> Iterator[Path]:
    # Postgres may have to run under another account, which has to find its way in.
    folder = Path(tempfile.mkdtemp(prefix="konstruct-faults-"))
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o700)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def open_lab(
    seed: int,
    *,
    offices: int = 2,
    people: int = 20,
    callers: int = 0,
    gateways: Sequence[Sequence[str]] = (KONSTRUCT,),
    workers: Sequence[Sequence[str]] = (KONSTRUCT,),
    background: bool = False,
    models: Sequence[str] = (MODEL,),
    disk: Callable[[Path], AbstractContextManager[None]] | None = None,
    **settings: object,
) -> AsyncIterator[Lab]:
    """``people`` write over Slack, ``callers`` over WhatsApp. ``gateways``, ``workers``: the module that each of them
    runs; ``models``: of the offices; ``disk``: makes one in the folder first; ``settings``: of all programs."""
    history, chance = History(seed), random.Random(seed)  # Faults, not secrets.
    slack, key, second_key = SlackDouble(), f"sk-ant-{secrets.token_hex(12)}", f"sk-{secrets.token_hex(12)}"
    graph = GraphDouble(burst=NOBODY_COUNTS, messages_a_second=NOBODY_COUNTS)
    doubles = ModelDoubles(keys={"anthropic": {key}, "openai": {second_key}})
    doubles.always("anthropic", Behaviour(answer=answer))
    doubles.always("openai", Behaviour(answer=answer))
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(made_folder())
        if disk is not None:
            stack.enter_context(disk(folder))
        await stack.enter_async_context(slack.running())
        await stack.enter_async_context(graph.running())
        await stack.enter_async_context(doubles.running())
        deployment = await stack.enter_async_context(
            deployed(
                folder,
                slack_api_url=slack.api_url,
                slack_signing_secret=slack.signing_secret,
                graph_api_url=graph.api_url,
                whatsapp_app_secret=graph.app_secret,
                whatsapp_verify_token=secrets.token_hex(8),
                anthropic_api_key=key,
                anthropic_base_url=doubles.base_url("anthropic"),
                openai_api_key=second_key,
                openai_base_url=doubles.base_url("openai"),
                # Nobody's conversation counts as quiet here: all that is asked of models is for answers.
                memory_quiet_seconds=86_400,
                **settings,
            )
        )
        administrator = await stack.enter_async_context(asyncpg.create_pool(deployment.owner_url, min_size=0))
        crowd = Crowd(slack, history, lambda: deployment.gateway_urls)
        lab = Lab(deployment, slack, graph, doubles, history, chance, crowd, administrator)
        async with asyncio.TaskGroup() as starting:
            for command in gateways:
                starting.create_task(deployment.add_gateway(command))
            for command in workers:
                starting.create_task(deployment.add_worker(command))
            if background:
                starting.create_task(deployment.add_background())
        for _ in range(offices):
            await lab.new_office(models=models)
        for number in range(people):
            crowd.person(lab.offices[number % offices])
        for number in range(callers):
            lab.caller(lab.offices[number % offices])
        yield lab
