"""`konstruct tool list | accept`: what a tenant's tools and servers offer, and taking in what a server changed."""

import json
from typing import Annotated, Any

import typer

from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.errors import BadInput
from konstruct.settings import Settings
from konstruct.tools import defining, registry
from konstruct.tools.registry import Listed
from konstruct.visible import visible

ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Look at tools, and accept what a server offers otherwise than before.")

Tenant = Annotated[str, typer.Option(help="Whose tools.")]


@app.command(name="list")
def show(tenant: Tenant) -> None:
    """Say which tools there are, how each stands, and what a changed one is now."""
    run(_list(read_settings(), tenant))


async def _list(settings: Settings, slug: str) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            tools = await registry.listing(session)
    for tool in tools:
        typer.echo(_line(tool))
        if tool.offered is not None:
            typer.echo(_offered(tool.offered))
    if not tools:
        typer.echo("There are none yet.")


@app.command()
def accept(
    name: Annotated[str, typer.Argument(help="The tool, such as crm/find_customer.")],
    digest: Annotated[str, typer.Argument(help="What `konstruct tool list` says that it is now: its digest.")],
    tenant: Tenant,
) -> None:
    """Let employees use a server's tool as it is offered now."""
    run(_accept(read_settings(), tenant, name, digest))


async def _accept(settings: Settings, slug: str, name: str, digest: str) -> None:
    key, slash, remote = name.partition("/")
    if not slash:
        raise BadInput(f"{name!r} is no tool of a server: those are named such as crm/find_customer.")
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            await defining.accept(session, key, remote, digest, actor=ACTOR)
    typer.echo(f"{visible(name)} may be used as it is now.")


def _line(tool: Listed) -> str:
    """What a server wrote must not write to the terminal."""
    state = f"{tool.state}: {tool.reason}" if tool.reason else tool.state
    described = " ".join(tool.description.split())
    return visible("  ".join(part for part in (tool.name, tool.kind, tool.risk, state, described) if part))


def _offered(offered: dict[str, Any]) -> str:
    schemas = {name: offered[name] for name in ("parameters", "result_schema")}
    lines = (
        f"    now offered with digest {offered['digest']}:",
        f"    {' '.join(offered['description'].split())}",
        f"    {json.dumps(schemas, ensure_ascii=False)}",
    )
    return visible("\n".join(lines))
