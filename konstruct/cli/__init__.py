"""The command line, `konstruct`: what runs and makes ready the product; each group of further commands is a module."""

import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
import uvloop
from pydantic import SecretStr

from konstruct import (
    contacts,
    db,
    doctor,
    log,
    manifest,
    rekeying,
    serving,
    slack_tickets,
    temporal,
    temporal_tls,
    tenants,
)
from konstruct.adapters import readiness, telemetry
from konstruct.adapters.redis import Circuit, RedisLimiter, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.chat import Chat
from konstruct.cli import (
    api_key,
    audit,
    backup,
    billing,
    contact,
    deploy,
    escalation,
    keys,
    knowledge,
    prices,
    tool,
    user,
)
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.embedded.leash import end_with
from konstruct.embedded.loopback import http_answers, require_free_port
from konstruct.embedded.up import DEMO
from konstruct.embedded.up import up as run_stack
from konstruct.errors import KonstructError, Misconfigured
from konstruct.identity import TenantId
from konstruct.limits import LocalLimiter
from konstruct.observing.requests import Observed
from konstruct.settings import Settings, needed
from konstruct.slack_tickets import Ticket
from konstruct.vault import Vault

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run Konstruct, look after it, and talk to its employees.",
)
app.add_typer(audit.app, name="audit")
app.add_typer(contact.app, name="contact")
app.add_typer(api_key.app, name="api-key")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(tool.app, name="tool")
app.add_typer(escalation.app, name="escalation")
app.add_typer(user.app, name="user")
app.add_typer(prices.app, name="prices")
app.add_typer(keys.app, name="keys")
app.add_typer(billing.app, name="billing")
app.add_typer(deploy.app, name="deploy")
app.command(name="backup")(backup.back_up)
app.command(name="restore")(backup.restore)


@app.command()
def up(
    attached: Annotated[bool, typer.Option(help="End when the process that started this one ends.")] = False,
    servers: Annotated[bool, typer.Option(help="Only what it stores in: to put a backup back into.")] = False,
) -> None:
    """Run everything on this machine: what is not configured elsewhere, gateway, portal and workers."""
    if attached:
        end_with(os.getppid(), signal.SIGTERM)
    settings = read_settings()
    log.configure(settings)
    run(run_stack(settings, typer.echo, servers_alone=servers))


@app.command()
def gateway() -> None:
    """Serve the webhooks."""
    settings = read_settings()
    ready = f"{settings.gateway_url}/health/ready"
    _serve("gateway", settings, settings.gateway_host, settings.gateway_port, "KONSTRUCT_GATEWAY_PORT", ready)


@app.command()
def portal() -> None:
    """Serve the web pages."""
    settings = read_settings()
    ready = f"{settings.portal_url}/health/live"
    _serve("portal", settings, settings.portal_host, settings.portal_port, "KONSTRUCT_PORTAL_PORT", ready)


def _serve(service: str, settings: Settings, host: str, port: int, variable: str, ready: str) -> None:
    """``ready``: an address of its own that answers with a success while it can do what it is for."""
    log.configure(settings)
    try:
        require_free_port(host, port, variable)
        if settings.database_url is not None and settings.encryption_keys:
            asyncio.run(_look_at_keys(settings))
        # Said now, and not to whoever needs Temporal first.
        temporal_tls.configured(settings)
        application = Observed(_loaded(f"{service}.app").build(settings), service)
    except KonstructError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    config = serving.configured(
        application,
        limits=serving.limits_here(),
        host=host,
        port=port,
        # Longer than proxies keep theirs, a minute mostly: who closes first must be the one who sends the requests.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    server = serving.Server(config, beside=_watched(settings, service, ready))
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    except Misconfigured as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if not server.started:
        raise typer.Exit(3)


@asynccontextmanager
async def _watched(settings: Settings, service: str, ready: str) -> AsyncIterator[None]:
    port = readiness.Port({service: partial(http_answers, ready)})
    async with telemetry.exporting(f"konstruct-{service}"), readiness.opened(settings, port):
        yield


def _loaded(module: str) -> ModuleType:
    """By name, since the core may not import the edges."""
    # Nothing of what is imported is garbage; to look for some takes a quarter of the time until a program is ready.
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


async def _look_at_keys(settings: Settings) -> None:
    async with open_database(settings) as database:
        await rekeying.have_keys(database, Vault(settings.encryption_keys))


@app.command()
def worker(
    background: Annotated[
        bool, typer.Option("--background", help="Write memory instead: no reply waits for it.")
    ] = False,
) -> None:
    """Work on conversations."""
    main = _loaded("workflows.worker").main
    # The loop that the gateway's server picks, too: it does the same with less work.
    run(main(read_settings(), is_background=background), runner=uvloop.run)


@app.command()
def migrate() -> None:
    """Make the database's roles and tables, or bring them up to date."""
    settings = read_settings()
    url = settings.database_owner_url or needed(settings.database_url, "KONSTRUCT_DATABASE_URL")
    run(_migrate(settings, url))


async def _migrate(settings: Settings, owner_url: SecretStr) -> None:
    await db.migrate(owner_url)
    typer.echo("The tables are up to date.")
    if not settings.encryption_keys:
        typer.echo("KONSTRUCT_ENCRYPTION_KEYS is not set: messages of older versions, if any, were not sealed.")
        return
    async with open_database(settings) as database:
        await contacts.seal_all_plain(database, Vault(settings.encryption_keys), typer.echo)


@app.command()
def apply(file: Annotated[Path, typer.Argument(help="A tenant as YAML; see docs/tenant.example.yaml.")]) -> None:
    """Make a tenant, its employees and connections as a file says; says what changed."""
    run(_apply(read_settings(), file))


async def _apply(settings: Settings, file: Path) -> None:
    wanted = manifest.read(file, os.environ)
    async with open_database(settings) as database, open_session() as http:
        messenger = SlackMessenger(http, settings.slack_api_url)

        async def identify(token: SecretStr) -> Mapping[str, str | None]:
            return (await messenger.identify(token)).external()

        changes = await tenants.apply(database, Vault(settings.encryption_keys), wanted, identify=identify)
    for change in changes:
        typer.echo(str(change))
    if all(change.sign == "=" for change in changes):
        typer.echo("Nothing to change.")


@app.command()
def slack_install(
    address: Annotated[str, typer.Argument(help="The gateway's public address, e.g. https://bots.example.com.")],
    tenant: Annotated[str, typer.Option(help="Whose workspace it is to be.")] = DEMO,
    employee: Annotated[str, typer.Option(help="The key of the employee that serves it.")] = "ada",
) -> None:
    """Print a link, good for ten minutes, that connects a Slack workspace to a tenant."""
    run(_slack_install(read_settings(), address, tenant, employee))


async def _slack_install(settings: Settings, address: str, tenant: str, employee: str) -> None:
    needed(settings.slack_client_id, "KONSTRUCT_SLACK_CLIENT_ID")
    needed(settings.slack_client_secret, "KONSTRUCT_SLACK_CLIENT_SECRET")
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, tenant)
    ticket = slack_tickets.seal(settings.encryption_keys, Ticket(TenantId(tenant_id), employee))
    typer.echo(f"{address.rstrip('/')}/slack/install?ticket={ticket}")


@app.command()
def chat(
    text: Annotated[str | None, typer.Argument(help="One message; without it, a conversation line by line.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose employee to talk to.")] = DEMO,
    patience: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 120.0,
) -> None:
    """Talk to an employee through the same pipeline as any channel."""
    settings = read_settings()
    log.configure(settings)
    run(_chat(settings, text, tenant, patience))


async def _chat(settings: Settings, text: str | None, tenant: str, patience: float) -> None:
    async with open_database(settings) as database:
        redis = connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
        limiter = RedisLimiter(redis, Circuit(), LocalLimiter())
        vault = Vault(settings.encryption_keys)
        conversation = await Chat.open(database, vault, limiter, await temporal.connect(settings), tenant)
        lines = iter([text]) if text is not None else iter(_typed_lines, None)
        for line in lines:
            for name, answer in await conversation.say(line, patience):
                typer.echo(f"{name}: {answer}")
        await redis.aclose()


def _typed_lines() -> str | None:
    """The next line that holds something; None at the end."""
    while True:
        if sys.stdin.isatty():
            typer.echo("> ", nl=False)
        line = sys.stdin.readline()
        if not line:
            return None
        if line.strip():
            return line.strip()


@app.command(name="doctor")
def examine() -> None:
    """Say what is reachable, what is missing and what to do; succeeds only when the product can answer."""
    run(_examine(read_settings()))


async def _examine(settings: Settings) -> None:
    signs = {"ok": "ok     ", "warning": "warning", "missing": "MISSING"}
    findings = await doctor.examine(settings)
    for finding in findings:
        subject = f"{finding.part} {finding.which}".rstrip()
        typer.echo(f"{signs[finding.state]}  {subject}: {finding.says}")
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    app()
