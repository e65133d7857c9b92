"""Starts the product and its bare twin on one stack, and measures them in turn: ``python -m benchmarks.turn``."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from benchmarks.folder import data_folder, say
from benchmarks.turn import bare, report
from benchmarks.turn.measuring import Measured, Side, alone, together
from benchmarks.turn.product import SIGNING_SECRET, Product
from konstruct import db, manifest, temporal, tenants
from konstruct.db import Database
from konstruct.embedded.loopback import HOST, free_port, http_answers
from konstruct.embedded.process import Program
from konstruct.embedded.stack import Stack, running_stack
from konstruct.embedded.supervisor import Supervisor
from konstruct.settings import Settings, needed
from konstruct.vault import Vault
from tests.support.http import serve

RESULTS = Path(__file__).with_name("results.json")

# The limits are there to be counted with, and too high to be met.
TENANT = """
tenant: bench
name: Acme Bikes
models: [openai/gpt-5.4]
limits: {tenant: 100000/second, connection: 100000/second, contact: 100000/second}
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


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="of each side under each load")
    parser.add_argument("--turns", type=int, default=60, help="in each round of one conversation")
    parser.add_argument("--conversations", type=int, default=200, help="at once, in the rounds with many")
    parser.add_argument("--seconds", type=float, default=20.0, help="that each round with many is counted for")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    results = {load: {"product": Measured(), "bare": Measured()} for load in ("alone", "together")}
    with data_folder() as folder:
        async with sides(folder) as compared:
            # Taken in turn, so that what else the machine does hits both alike.
            for _ in range(options.rounds):
                for side in compared:
                    await alone(side, options.turns, results["alone"][side.name])
            for _ in range(options.rounds):
                for side in compared:
                    await together(side, options.conversations, options.seconds, results["together"][side.name])
                    say(f"{side.name}: {results['together'][side.name].rates[-1]:.1f} turns a second")
    figures = report.figures(results)
    say(report.table(figures, options.conversations))
    if options.save:
        report.save(figures, RESULTS)


@asynccontextmanager
async def sides(folder: Path) -> AsyncIterator[tuple[Side, Side]]:
    gateway_port, model_port = free_port(), free_port()
    gateway = f"http://{HOST}:{gateway_port}"
    async with (
        Supervisor(say) as supervisor,
        # Shorter than the gateway keeps an idle connection, so that none is used in the moment of its end.
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2)) as http,
    ):
        product = Product(http, f"{gateway}/slack/events")
        async with serve(product.api()) as slack:
            # The children inherit these; whatever else is set here is not the benchmark's business.
            for name in [name for name in os.environ if name.startswith("KONSTRUCT_")]:
                del os.environ[name]
            os.environ |= {
                "KONSTRUCT_DATA_DIR": str(folder),
                "KONSTRUCT_GATEWAY_PORT": str(gateway_port),
                "KONSTRUCT_PORTAL_PORT": str(free_port()),
                "KONSTRUCT_TEMPORAL_UI_PORT": str(free_port()),
                "KONSTRUCT_OPENAI_BASE_URL": f"http://{HOST}:{model_port}/v1",
                "KONSTRUCT_OPENAI_API_KEY": "sk-bench",
                # Named, so that no local model is started.
                "KONSTRUCT_LOCAL_MODEL_BASE_URL": f"http://{HOST}:{model_port}/v1",
                "KONSTRUCT_SLACK_API_URL": f"{slack}/api/",
                "KONSTRUCT_SLACK_SIGNING_SECRET": SIGNING_SECRET,
            }
            double = ("tests.support.model_doubles", "--port", str(model_port), "--answer", "It costs 15 dollars.")
            url = f"http://{HOST}:{model_port}/double/calls"
            await supervisor.start(python("The model double", folder, *double, ready_at=url))
            async with running_stack(Settings(), say) as stack:
                await seed(stack, product)
                await stack.run("Gateway", "gateway", ready=partial(http_answers, f"{gateway}/health/live"))
                await stack.run("Worker", "worker")
                await stack.run("Background worker", "worker", "--background")
                path = folder / "driver.socket"
                async with bare.listening(await temporal.connect(stack.settings), path) as twin:
                    worker = python("The bare worker", folder, "benchmarks.turn.bare_worker", str(path))
                    await supervisor.start(worker)
                    yield product, twin
                say(f"Calls that Slack got, and its events that were refused: {json.dumps(product.calls)}")


async def seed(stack: Stack, product: Product) -> None:
    settings = stack.settings
    url = needed(settings.database_url, "KONSTRUCT_DATABASE_URL")
    await db.migrate(settings.database_owner_url or url)
    database = Database(url)
    wanted = manifest.parse(TENANT % vars(product.workspace), "bench", {"BOT_TOKEN": product.workspace.bot_token})
    await tenants.apply(database, Vault(settings.encryption_keys), wanted, actor="benchmark")
    await database.close()


def python(name: str, folder: Path, *module_and_arguments: str, ready_at: str | None = None) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-m", *module_and_arguments),
        log=folder / "logs" / f"{module_and_arguments[0]}.log",
        ready=partial(http_answers, ready_at) if ready_at else None,
    )


if __name__ == "__main__":
    asyncio.run(main())
