"""`konstruct up`: the stack, its tables, a demo tenant, gateway, portal and workers; until it is told to stop."""

import asyncio
import secrets
import signal
from collections.abc import Sequence
from functools import partial
from importlib import resources

from temporalio.service import RPCError

from konstruct import connections, contacts, db, manifest, temporal, tenants
from konstruct.accounts import operating
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.signing_in import find_user
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.connections import slack_account
from konstruct.db import Database
from konstruct.embedded.loopback import http_answers, require_free_port
from konstruct.embedded.stack import running_stack
from konstruct.embedded.supervisor import Report
from konstruct.errors import KonstructError
from konstruct.identity import TenantId
from konstruct.settings import Settings, needed
from konstruct.vault import Vault

DEMO = "demo"
DEMO_OWNER = "owner@demo.example"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


async def up(settings: Settings, report: Report, *, servers_alone: bool = False) -> None:
    """Runs until SIGINT or SIGTERM; raises KonstructError with a sentence when something cannot be started."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    serving = asyncio.create_task((_serve_alone if servers_alone else _serve)(settings, report))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([serving, stop], return_when=asyncio.FIRST_COMPLETED)
    if stopping.is_set():
        report("Stopping …")
        serving.cancel()
        await asyncio.wait([serving])
        if serving.cancelled():
            report("Stopped. What was said is kept; `make run` goes on from here.")
            return
    stop.cancel()
    await serving


async def _serve_alone(settings: Settings, report: Report) -> None:
    async with running_stack(settings, report) as stack:
        report("The servers are running, and nothing of the product. Ctrl-C stops them.")
        await stack.broken()


async def _serve(settings: Settings, report: Report) -> None:
    async with running_stack(settings, report) as stack:
        has_own_temporal = settings.temporal_address != stack.settings.temporal_address
        settings = stack.settings
        database_url = needed(settings.database_url, "KONSTRUCT_DATABASE_URL")
        await db.migrate(settings.database_owner_url or database_url)
        report("The tables are up to date.")
        database = Database(database_url)
        try:
            await contacts.seal_all_plain(database, Vault(settings.encryption_keys), report)
            await _seed(settings, database, report)
            password = await _let_in(settings, database)
        finally:
            await database.close()
        client = await temporal.connect(settings)

        async def is_polled(task_queue: str) -> bool:
            try:
                return await temporal.workers(client, task_queue) > 0
            except (RPCError, RuntimeError):
                return False

        ports = _metrics_ports(settings)
        await asyncio.gather(
            stack.run(
                *("Gateway", "gateway"),
                metrics_port=ports[0],
                ready=partial(http_answers, f"{settings.gateway_url}/health/live"),
            ),
            stack.run(
                *("Portal", "portal"),
                metrics_port=ports[1],
                ready=partial(http_answers, f"{settings.portal_url}/health/live"),
            ),
            stack.run("Worker", "worker", metrics_port=ports[2], ready=partial(is_polled, temporal.CONVERSATIONS)),
            stack.run(
                *("Background worker", "worker", "--background"),
                metrics_port=ports[3],
                ready=partial(is_polled, temporal.MEMORY),
            ),
        )
        report(_where_to_go(settings, password, has_own_temporal=has_own_temporal))
        await stack.broken()


def _metrics_ports(settings: Settings) -> Sequence[int]:
    """Of gateway, portal, worker and background worker. Raises Misconfigured when one of them is taken."""
    first = settings.metrics_port
    if not first:
        return (0, 0, 0, 0)
    for port in range(first, first + 4):
        require_free_port(settings.metrics_host, port, "KONSTRUCT_METRICS_PORT")
    return range(first, first + 4)


async def _seed(settings: Settings, database: Database, report: Report) -> None:
    vault = Vault(settings.encryption_keys)
    demo = manifest.parse(resources.files("konstruct.embedded").joinpath("demo.yaml").read_text(), "demo.yaml", {})
    if await tenants.find(database, DEMO) is None:
        await tenants.apply(database, vault, demo, actor="konstruct up")
        report("The demo tenant is there, with one employee.")
    if settings.slack_bot_token is not None:
        try:
            await _connect_slack(settings, database, vault)
            report("The demo tenant is connected to your Slack workspace.")
        except KonstructError as error:
            report(f"Slack is not connected: {error}")


async def _let_in(settings: Settings, database: Database) -> str | None:
    """The password of the demo tenant's owner when they were just made; nobody can be told it again."""
    if await find_user(database, DEMO_OWNER) is not None or settings.portal_host not in LOOPBACK:
        return None
    # Drawn, not chosen: it need not be remembered, and others on this machine cannot guess it.
    password = secrets.token_urlsafe(12)
    tenant_id = needed(await tenants.find(database, DEMO), "The demo tenant")
    hashed = await Passwords().hash(password)
    await operating.add(
        database, DEMO_OWNER, "Demo Owner", tenant_id, "owner", actor="konstruct up", password_hash=hashed
    )
    return password


async def _connect_slack(settings: Settings, database: Database, vault: Vault) -> None:
    token = needed(settings.slack_bot_token, "KONSTRUCT_SLACK_BOT_TOKEN")
    async with open_session() as http:
        bot = await SlackMessenger(http, settings.slack_api_url).identify(token)
    tenant_id = TenantId(needed(await tenants.find(database, DEMO), "The demo tenant"))
    async with database.tenant_session(tenant_id) as session:
        await connections.install(
            session,
            vault,
            tenant_id,
            key="slack",
            kind="slack",
            account=slack_account(bot.enterprise_id, bot.team_id),
            external=bot.external(),
            secrets={"bot_token": token},
            employee_key="ada",
            actor="konstruct up",
        )


def _who_gets_in(settings: Settings, password: str | None) -> list[str]:
    if password is not None:
        return [f"    sign in as    {DEMO_OWNER}", f"    password      {password}   (shown this once)"]
    if settings.portal_host in LOOPBACK:
        return [f"    sign in as    {DEMO_OWNER}", f"    forgotten?    bin/konstruct user link {DEMO_OWNER}"]
    return [f"    let in        bin/konstruct user add you@example.com --tenant {DEMO}"]


def _where_to_go(settings: Settings, password: str | None, *, has_own_temporal: bool) -> str:
    lines = [
        "",
        "Konstruct is running. Ctrl-C stops it.",
        '  Talk to Ada     bin/konstruct chat "Hello"',
        f"  Portal          {settings.portal_address}",
        *_who_gets_in(settings, password),
        f"  Is it running?  {settings.portal_address}/status",
        f"  Gateway         {settings.gateway_url}/health/ready",
    ]
    if has_own_temporal:
        lines.append(f"  Temporal UI     http://127.0.0.1:{settings.temporal_ui_port}")
    lines.append(f"  Logs            {settings.data_dir / 'logs'}")
    lines.append("  What is missing bin/konstruct doctor")
    return "\n".join(lines)
