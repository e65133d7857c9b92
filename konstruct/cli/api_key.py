"""`konstruct api-key create | list | revoke`: the keys with which programs use the REST API."""

from typing import Annotated

import typer

from konstruct import api_keys
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.settings import Settings

ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Let a program act for a tenant, or no longer.")

Tenant = Annotated[str, typer.Option(help="Whose key.")]
Name = Annotated[str, typer.Argument(help="What the audit trail calls whoever uses the key, such as back-office.")]


@app.command()
def create(
    name: Name,
    tenant: Tenant,
    scope: Annotated[list[str], typer.Option(help=f"What it may do; repeat for more: {', '.join(api_keys.SCOPES)}.")],
) -> None:
    """Make a key and print it, this once: nobody can look it up again."""
    run(_create(read_settings(), tenant, name, scope))


async def _create(settings: Settings, slug: str, name: str, scopes: list[str]) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            key = await api_keys.make(session, tenant_id, name, scopes, actor=ACTOR)
    # The key alone on standard output, so that a script can take it from there.
    typer.echo(f"The key {name} of {slug}. Keep it now: it is not shown again.", err=True)
    typer.echo(key.get_secret_value())


@app.command(name="list")
def show(tenant: Tenant) -> None:
    """Say which keys there are, and what each may do."""
    run(_list(read_settings(), tenant))


async def _list(settings: Settings, slug: str) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            keys = await api_keys.listing(session)
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        typer.echo(f"{key.name}  made {key.created_at:%Y-%m-%d}  {state}  {', '.join(key.scopes)}")
    if not keys:
        typer.echo("There are none yet.")


@app.command()
def revoke(name: Name, tenant: Tenant) -> None:
    """End a key, at once and for good."""
    run(_revoke(read_settings(), tenant, name))


async def _revoke(settings: Settings, slug: str, name: str) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            was_active = await api_keys.revoke(session, tenant_id, name, actor=ACTOR)
    typer.echo(f"{name} opens nothing any more." if was_active else f"{name} was revoked before.")
