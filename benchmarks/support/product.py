"""The product as ``konstruct up`` runs it, each part a process of its own, between a Slack and a model that answers at
once."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.support.folder import say
from benchmarks.support.slack import SIGNING_SECRET, Slack
from konstruct import db, manifest, tenants
from konstruct.db import Database
from konstruct.embedded.loopback import HOST, free_port, http_answers
from konstruct.embedded.process import Program
from konstruct.embedded.stack import Stack, running_stack
from konstruct.embedded.supervisor import Supervisor
from konstruct.settings import Settings, needed
from konstruct.vault import Vault
from tests.support.http import serve
from tests.support.slack_double.world import Workspace

FAR: Final = "100000/second"
"""Limits are there to be counted with, and this one is too high to be met."""
TENANT: Final = """
tenant: %(slug)s
name: Acme Bikes
models: [openai/gpt-5.4]
limits: {tenant: %(limit)s, connection: %(limit)s, contact: %(limit)s}
employees:
  ada:
    name: Ada
    role: Front desk
    persona: Warm and helpful.
    system_prompt: Fixing a flat tire costs 15 dollars, while you wait.
connections:
  slack:
    kind: slack
    bot_token: ${BOT_TOKEN}
    team_id: %(team_id)s
    bot_user_id: %(bot_user_id)s
    bot_id: %(bot_id)s
    employee: ada
"""


@dataclass
class Product:
    stack: Stack
    slack: Slack
    folder: Path
    _supervisor: Supervisor

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    async def tenant(self, slug: str, *, limit: str = FAR, settings: Settings | None = None) -> Workspace:
        """One more, whose Slack workspace is connected to it; ``settings`` name another database."""
        settings = settings or self.settings
        workspace = self.slack.world.add_workspace()
        text = TENANT % {**vars(workspace), "slug": slug, "limit": limit}
        wanted = manifest.parse(text, slug, {"BOT_TOKEN": workspace.bot_token})
        database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
        await tenants.apply(database, Vault(settings.encryption_keys), wanted, actor="benchmark")
        await database.close()
        return workspace

    async def gateway(self, **environment: str) -> str:
        """One more, on a port of its own; gives where it takes Slack's events."""
        port = free_port()
        address = f"http://{HOST}:{port}"
        await self.run(
            f"Gateway {port}",
            *("konstruct", "gateway"),
            ready_at=f"{address}/health/live",
            environment={"KONSTRUCT_GATEWAY_PORT": str(port), **environment},
        )
        return f"{address}/slack/events"

    async def worker(self, *, is_background: bool = False, **environment: str) -> None:
        name = "Background worker" if is_background else "Worker"
        options = ("--background",) if is_background else ()
        await self.run(name, "konstruct", "worker", *options, says="worker_ready", environment=environment)

    async def run(
        self,
        name: str,
        *module_and_arguments: str,
        ready_at: str | None = None,
        says: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        """It is ready when ``ready_at`` answers, or when it has written ``says`` to its log."""
        log = self.folder / "logs" / f"{name.lower().replace(' ', '-')}-{free_port()}.log"
        spoken = partial(_has_said, log, says) if says else None
        await self._supervisor.start(
            Program(
                name=name,
                command=(sys.executable, "-m", *module_and_arguments),
                log=log,
                ready=partial(http_answers, ready_at) if ready_at else spoken,
                environment={**os.environ, **(environment or {})},
            )
        )


@asynccontextmanager
async def running_product(
    folder: Path, *, parts: Sequence[str] = ("worker", "background"), is_paced: bool = False
) -> AsyncIterator[Product]:
    """Without tenants and gateways, which are added to it; the database has its tables.

    ``is_paced``: tenants keep the pace that they have by default, and do not go as fast as they may.

    Whatever is set in the environment for the product is not the benchmark's business, and is taken away.
    """
    for name in [name for name in os.environ if name.startswith("KONSTRUCT_")]:
        del os.environ[name]
    # As most people run it: without byte code each start of a conversation would compile its workflow.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    model_port = free_port()
    async with (
        Supervisor(say) as doubles,
        # Shorter than the gateway keeps an idle connection, so that none is used in the moment of its end.
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2)) as http,
    ):
        slack = Slack(http)
        async with serve(slack.api()) as slack_url:
            # The children inherit these.
            os.environ |= {
                "KONSTRUCT_DATA_DIR": str(folder),
                "KONSTRUCT_GATEWAY_PORT": str(free_port()),
                "KONSTRUCT_PORTAL_PORT": str(free_port()),
                "KONSTRUCT_TEMPORAL_UI_PORT": str(free_port()),
                "KONSTRUCT_OPENAI_BASE_URL": f"http://{HOST}:{model_port}/v1",
                "KONSTRUCT_OPENAI_API_KEY": "sk-bench",
                # Named, so that no local model is started.
                "KONSTRUCT_LOCAL_MODEL_BASE_URL": f"http://{HOST}:{model_port}/v1",
                "KONSTRUCT_SLACK_API_URL": f"{slack_url}/api/",
                "KONSTRUCT_SLACK_SIGNING_SECRET": SIGNING_SECRET,
                **({} if is_paced else {"KONSTRUCT_TENANT_PACE": "0"}),
            }
            await doubles.start(_model(folder, model_port))
            async with running_stack(Settings(), say) as stack, Supervisor(say) as supervisor:
                product = Product(stack, slack, folder, supervisor)
                settings = stack.settings
                await db.migrate(settings.database_owner_url or needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
                await asyncio.gather(*(product.worker(is_background=part == "background") for part in parts))
                yield product


async def _has_said(log: Path, words: str) -> bool:
    return words in log.read_text(errors="replace")  # noqa: ASYNC240  # It is short.


def _model(folder: Path, port: int) -> Program:
    answer = ("--port", str(port), "--answer", "It costs 15 dollars.")
    return Program(
        name="The model double",
        command=(sys.executable, "-m", "tests.support.model_doubles", *answer),
        log=folder / "logs" / "model.log",
        ready=partial(http_answers, f"http://{HOST}:{port}/double/calls"),
    )
