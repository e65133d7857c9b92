"""The command line: `konstruct up | gateway | portal | worker | migrate | apply | chat | doctor`."""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
import uvloop
from pydantic import SecretStr, ValidationError

from konstruct import db, doctor, log, manifest, slack_tickets, temporal, tenants
from konstruct.adapters.redis import Circuit, RedisLimiter, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.chat import Chat
from konstruct.db import Database
from konstruct.embedded.leash import end_with
from konstruct.embedded.loopback import require_free_port
from konstruct.embedded.up import DEMO
from konstruct.embedded.up import up as run_stack
from konstruct.errors import KonstructError, NotFound
from konstruct.identity import TenantId
from konstruct.limits import LocalLimiter
from konstruct.settings import Settings, needed
from konstruct.slack_tickets import Ticket
from konstruct.vault import Vault

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def up(
    attached: Annotated[bool, typer.Option(help="End when the process that started this one ends.")] = False,
) -> None:
    """Run everything on this machine: what is not configured elsewhere, the gateway, the portal and a worker."""
    if attached:
        end_with(os.getppid(), signal.SIGTERM)
    settings = _settings()
    log.configure(settings)
    _run(run_stack(settings, typer.echo))


@app.command()
def gateway() -> None:
    """Serve the webhooks."""
    settings = _settings()
    _serve("gateway.app", settings, settings.gateway_host, settings.gateway_port, "KONSTRUCT_GATEWAY_PORT")


@app.command()
def portal() -> None:
    """Serve the web pages."""
    settings = _settings()
    _serve("portal.app", settings, settings.portal_host, settings.portal_port, "KONSTRUCT_PORTAL_PORT")


def _serve(module: str, settings: Settings, host: str, port: int, variable: str) -> None:
    log.configure(settings)
    try:
        require_free_port(host, port, variable)
        # By name, since the core may not import the edges.
        application = importlib.import_module(module).build(settings)
    except KonstructError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    uvicorn.run(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker() -> None:
    """Work on conversations."""
    # The loop that the gateway's server picks, too: it does the same with less work.
    _run(importlib.import_module("workflows.worker").main(_settings()), run=uvloop.run)


@app.command()
def migrate() -> None:
    """Make the database's roles and tables, or bring them up to date."""
    settings = _settings()
    url = settings.database_owner_url or needed(settings.database_url, "KONSTRUCT_DATABASE_URL")
    _run(db.migrate(url))
    typer.echo("The tables are up to date.")


@app.command()
def apply(file: Annotated[Path, typer.Argument(help="A tenant as YAML; see docs/tenant.example.yaml.")]) -> None:
    """Make a tenant, its employees and connections as a file says; says what changed."""
    _run(_apply(_settings(), file))


async def _apply(settings: Settings, file: Path) -> None:
    wanted = manifest.read(file, os.environ)
    async with _database(settings) as database, open_session() as http:
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
    _run(_slack_install(_settings(), address, tenant, employee))


async def _slack_install(settings: Settings, address: str, tenant: str, employee: str) -> None:
    needed(settings.slack_client_id, "KONSTRUCT_SLACK_CLIENT_ID")
    needed(settings.slack_client_secret, "KONSTRUCT_SLACK_CLIENT_SECRET")
    async with _database(settings) as database:
        tenant_id = await tenants.find(database, tenant)
    if tenant_id is None:
        raise NotFound(f"There is no tenant {tenant!r}: make it with `konstruct apply`.")
    ticket = slack_tickets.seal(settings.encryption_keys, Ticket(TenantId(tenant_id), employee))
    typer.echo(f"{address.rstrip('/')}/slack/install?ticket={ticket}")


@app.command()
def chat(
    text: Annotated[str | None, typer.Argument(help="One message; without it, a conversation line by line.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose employee to talk to.")] = DEMO,
    patience: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 120.0,
) -> None:
    """Talk to an employee through the same pipeline as any channel."""
    settings = _settings()
    log.configure(settings)
    _run(_chat(settings, text, tenant, patience))


async def _chat(settings: Settings, text: str | None, tenant: str, patience: float) -> None:
    async with _database(settings) as database:
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
    _run(_examine(_settings()))


async def _examine(settings: Settings) -> None:
    signs = {"ok": "ok     ", "warning": "warning", "missing": "MISSING"}
    findings = await doctor.examine(settings)
    for finding in findings:
        subject = f"{finding.part} {finding.which}".rstrip()
        typer.echo(f"{signs[finding.state]}  {subject}: {finding.says}")
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
    try:
        yield database
    finally:
        await database.close()


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"KONSTRUCT_{name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None


def _run(work: Coroutine[Any, Any, None], *, run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run) -> None:
    """Runs to the end; an error of ours is a sentence and exit code 1, never a stack trace."""
    try:
        run(work)
    except KonstructError as error:
        typer.echo(str(error), err=True)
        _leave(1)
    except typer.Exit as leaving:
        _leave(leaving.exit_code)
    except KeyboardInterrupt:
        _leave(130)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """Ends without the interpreter's clean-up, in which Temporal's threads can abort a finished process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    app()
