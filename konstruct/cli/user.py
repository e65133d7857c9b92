"""`konstruct user add | link | list | unlock | erase`: people who sign in to the portal."""

from typing import Annotated

import typer

from konstruct.accounts import factors, letters, mails, operating, profile, sessions, team
from konstruct.accounts.permissions import ROLES
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.settings import Settings
from konstruct.tables import User
from konstruct.vault import Vault

ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Let people into the portal, or no longer.")

Email = Annotated[str, typer.Argument(help="The address that they sign in with.")]


@app.command()
def add(
    email: Email,
    tenant: Annotated[str, typer.Option(help="Whose team they join.")],
    role: Annotated[str, typer.Option(help=f"What they may do: {', '.join(ROLES)}.")] = "owner",
    name: Annotated[str | None, typer.Option(help="What they are called. Unset: what stands before the @.")] = None,
) -> None:
    """Put somebody into a team, and print a link with which they set a password. No mail is needed for it."""
    run(_add(read_settings(), email, tenant, role, name or email.partition("@")[0]))


async def _add(settings: Settings, email: str, slug: str, role: str, name: str) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        user_id = await operating.add(database, email, name, tenant_id, role, actor=ACTOR)
        address = await operating.link(database, user_id, settings.portal_address)
    typer.echo(f"{email} is {role} of {slug}. A password is set here within 30 minutes:", err=True)
    typer.echo(address)


@app.command()
def link(email: Email) -> None:
    """Print a link with which somebody sets a new password; it signs out all their browsers."""
    run(_link(read_settings(), email))


async def _link(settings: Settings, email: str) -> None:
    async with open_database(settings) as database:
        user_id = await operating.known(database, email)
        typer.echo(await operating.link(database, user_id, settings.portal_address))


@app.command(name="list")
def show(tenant: Annotated[str, typer.Option(help="Whose team.")]) -> None:
    """Say who is in a team."""
    run(_list(read_settings(), tenant))


async def _list(settings: Settings, slug: str) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            members = await team.members(session)
    for member in members:
        typer.echo(f"{member.email}  {member.role}  {member.name}  since {member.joined_at:%Y-%m-%d}")
    if not members:
        typer.echo("There is nobody yet.")


@app.command()
def unlock(email: Email) -> None:
    """Remove the second factors of somebody who has lost them all, and mail them that it was done."""
    run(_unlock(read_settings(), email))


async def _unlock(settings: Settings, email: str) -> None:
    vault = Vault(settings.encryption_keys)
    async with open_database(settings) as database:
        user_id = await operating.known(database, email)
        async with database.account_session(user_id) as session:
            had_any = await factors.forget(session, user_id)
            if had_any:
                user = await session.get_one(User, user_id)
                what = "your authenticator app, passkeys and recovery codes were removed by whoever runs Konstruct"
                where = f"{settings.portal_address}/account/security"
                mails.put(session, vault, letters.security_changed(user.email, user.name, what, where))
    typer.echo(f"{email} signs in without a second factor now." if had_any else f"{email} had no second factor.")


@app.command()
def erase(email: Email) -> None:
    """Delete somebody's account, for good. What they did stays in the audit trail, without their name."""
    run(_erase(read_settings(), email))


async def _erase(settings: Settings, email: str) -> None:
    async with open_database(settings) as database:
        user_id = await operating.known(database, email)
        async with database.account_session(user_id) as session:
            seats = await sessions.seats(session)
        await profile.delete_account(database, user_id, seats)
    typer.echo(f"{email} has no account any more.")
