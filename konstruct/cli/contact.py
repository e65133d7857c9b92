"""`konstruct contact show | forget | join | erase`: what is remembered of a person, and that it is no longer."""

from typing import Annotated
from uuid import UUID

import typer

from konstruct import contacts, erasing, memory
from konstruct.adapters.redis import Circuit, RedisWindows, connect
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.errors import BadInput
from konstruct.files import keeping
from konstruct.memory import due
from konstruct.settings import Settings, needed
from konstruct.vault import Vault

ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Look up what is remembered of a person, or have it forgotten.")

Tenant = Annotated[str, typer.Option(help="Whose contact.")]
Contact = Annotated[str, typer.Argument(help="The channel's id, such as U0123ABCD, or ours.")]
Connection = Annotated[str | None, typer.Option(help="The connection's key, where several know the id.")]


@app.command()
def show(contact: Contact, tenant: Tenant, connection: Connection = None) -> None:
    """Say who a contact is, and which facts are remembered."""
    run(_show(read_settings(), tenant, contact, connection))


async def _show(settings: Settings, slug: str, named: str, connection: str | None) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            found = await contacts.find(session, named, connection)
            person = await contacts.of_person(session, found.person_id)
            facts = await due.known_facts(session, Vault(settings.encryption_keys), found.contact_id)
            sayings = await memory.count_sayings(session, found.contact_id)
            files = await keeping.count_of(session, found.contact_id)
    for each in person:
        typer.echo(f"{each.external_id} on {each.connection} ({each.kind})  {each.contact_id}")
    typer.echo(f"Files of this contact that are kept: {files}.")
    typer.echo(f"{sayings} sayings can be recalled word by word, and {len(facts)} of the newest facts are:")
    for fact in facts:
        typer.echo(f"  {fact.memory_id}  {fact.happened_at:%Y-%m-%d}  {fact.confidence:.0%}  {fact.text}")


@app.command()
def forget(
    contact: Contact,
    tenant: Tenant,
    facts: Annotated[list[UUID] | None, typer.Argument(help="Ids of facts, as `show` says.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All facts and sayings.")] = False,
    connection: Connection = None,
) -> None:
    """Have facts, or everything, forgotten: no model is shown it again. The record of what was said stays."""
    run(_forget(read_settings(), tenant, contact, connection, facts or [], everything))


async def _forget(
    settings: Settings, slug: str, named: str, connection: str | None, facts: list[UUID], everything: bool
) -> None:
    if bool(facts) == everything:
        raise BadInput("Say which facts, by their ids, or --everything.")
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            found = await contacts.find(session, named, connection)
            wanted = None if everything else facts
            forgotten = await contacts.forget(session, tenant_id, found.contact_id, wanted, actor=ACTOR)
    typer.echo(f"Forgotten: what was learned from {forgotten} messages.")


@app.command()
def join(
    contact: Contact,
    other: Annotated[str, typer.Argument(help="Another contact, of any channel, who is the same person.")],
    tenant: Tenant,
    connection: Connection = None,
    other_connection: Connection = None,
) -> None:
    """Say that two contacts are one person: what one of them said is remembered when the other asks."""
    run(_join(read_settings(), tenant, (contact, connection), (other, other_connection)))


async def _join(settings: Settings, slug: str, one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            first, second = await contacts.find(session, *one), await contacts.find(session, *other)
            joined = await contacts.join(session, tenant_id, first.contact_id, second.contact_id, actor=ACTOR)
    typer.echo("They are one person now." if joined else "They are one person already.")


@app.command()
def erase(
    contact: Contact,
    tenant: Tenant,
    connection: Connection = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Shred for good all that is kept of a person, on all channels. That something happened stays on record."""
    if not yes:
        typer.confirm(f"Erase {contact} of {tenant}? Nobody can undo this.", abort=True)
    run(_erase(read_settings(), tenant, contact, connection))


async def _erase(settings: Settings, slug: str, named: str, connection: str | None) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            found = await contacts.find(session, named, connection)
            erasure_id = await erasing.ask(session, tenant_id, found.contact_id, actor=ACTOR)
        redis = connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
        windows, vault = RedisWindows(redis, Circuit()), Vault(settings.encryption_keys)
        try:
            done = await erasing.carry_out(database, vault, windows, tenant_id, erasure_id)
        finally:
            await redis.aclose()
    typer.echo(
        f"Erased: {done.contacts} contacts, {done.messages} messages and {done.memories} memories, in"
        f" {done.conversations} conversations."
    )
    if not done.is_cache_clear:
        typer.echo(
            "Redis did not answer. What lies there is unreadable without the key that is gone, and ends in a day."
        )
    typer.echo("What the channel itself keeps, such as Slack's own messages, is to be deleted there.")
