"""The names by which a channel knows a contact: whoever is found by one of them is one contact of the connection.

Names are compared by a digest under a key of the tenant's, and read with the contact's own key alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.connections import ConnectionRef
from konstruct.identity import new_id
from konstruct.tables import Contact, ContactAlias, Conversation
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

ALIAS: Final = "contact alias"
"""What the vault and ciphers call the purpose of names."""

_KNOWN = (
    select(col(ContactAlias.digest), col(ContactAlias.contact_id), col(Contact.external_id))
    .join(
        Contact, (col(Contact.tenant_id) == col(ContactAlias.tenant_id)) & (col(Contact.id) == ContactAlias.contact_id)
    )
    .where(col(ContactAlias.connection_id) == bindparam("connection_id"))
    .where(col(ContactAlias.digest).in_(bindparam("digests", expanding=True)))
)

_CALLED = (
    select(Contact.id)
    .where(col(Contact.connection_id) == bindparam("connection_id"))
    .where(col(Contact.external_id) == bindparam("external_id"))
)


@dataclass(frozen=True)
class Names:
    """What one message says of who wrote it; at least one of the two."""

    lasting: str = ""
    """The person's for good, until the channel says that it changed."""
    number: str = ""
    """May one day be somebody else's."""

    @property
    def key(self) -> str:
        return self.lasting or self.number


@dataclass(frozen=True)
class Known:
    contact_id: UUID
    external_id: str
    """What the channel is to be told, and what the contact's conversation is found by."""


async def called(session: AsyncSession, vault: Vault, connection: ConnectionRef, name: str | Names) -> Known:
    """Who is called so, made where there is nobody. A channel that calls everybody one thing says just that."""
    if isinstance(name, Names):
        return await resolve(session, vault, connection, name)
    of_contact = {"connection_id": connection.connection_id, "external_id": name}
    found = (await session.execute(_CALLED, of_contact)).scalar_one_or_none()
    if found is None:
        contact_id = new_id()
        await session.execute(
            insert(Contact)
            .values(
                tenant_id=connection.tenant_id,
                id=contact_id,
                connection_id=connection.connection_id,
                external_id=name,
                person_id=contact_id,
                created_at=utc_now(),
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "connection_id", "external_id"])
        )
        found = (await session.execute(_CALLED, of_contact)).scalar_one()
    return Known(found, name)


async def resolve(session: AsyncSession, vault: Vault, connection: ConnectionRef, names: Names) -> Known:
    """The contact who has these names, made where there is none. A name that is new is learnt.

    A number whose contact is known by another lasting name has passed to somebody else, who is a contact of their own.
    """
    digests = await _digests(session, vault, connection, names)
    known = await _known(session, connection, digests.values())
    contacts = {found.contact_id for found in known.values()}
    if len(known) == len(digests) and len(contacts) == 1:
        return next(iter(known.values()))
    await _lock(session, digests.values())
    known = await _known(session, connection, digests.values())
    lasting, number = (known.get(digests.get(name, b"")) for name in (names.lasting, names.number))
    if lasting is None and names.lasting and number is not None:
        if await _is_somebody(session, number.contact_id):
            number = None
        else:
            await _rekey(session, connection, number, names.lasting)
            number = lasting = Known(number.contact_id, names.lasting)
    found = lasting or number or await _made(session, connection, names.key)
    if number is not None and number != found and not await _is_somebody(session, number.contact_id):
        await _join(session, connection, found.contact_id, number.contact_id)
    await _learn(session, vault, connection, found.contact_id, names, digests)
    return found


async def rename(session: AsyncSession, vault: Vault, connection: ConnectionRef, before: Names, now: Names) -> bool:
    """The channel says that a person has other names now. False where nobody is known by the earlier ones."""
    digests_before, digests = [await _digests(session, vault, connection, names) for names in (before, now)]
    await _lock(session, [*digests_before.values(), *digests.values()])
    known = await _known(session, connection, [*digests_before.values(), *digests.values()])
    found = next((known[digest] for digest in digests_before.values() if digest in known), None)
    if found is None:
        return False
    other = next((known[digest] for digest in digests.values() if digest in known), found)
    held = {contact.id: contact for contact in await _held(session, {found.contact_id, other.contact_id})}
    if held[found.contact_id].erased_at is not None:
        return False
    if other.contact_id != found.contact_id:
        # They wrote under the new name before we were told of it.
        await _join(session, connection, other.contact_id, found.contact_id)
        return True
    gone = [digest for digest in digests_before.values() if digest not in digests.values()]
    await session.execute(
        delete(ContactAlias).where(
            col(ContactAlias.connection_id) == connection.connection_id, col(ContactAlias.digest).in_(gone)
        )
    )
    if found.external_id in (before.lasting, before.number) and found.external_id not in (now.lasting, now.number):
        await _rekey(session, connection, found, now.key)
    await _learn(session, vault, connection, found.contact_id, now, digests)
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor="channel",
        action="contact.renamed",
        subject_id=found.contact_id,
    )
    return True


async def find(session: AsyncSession, vault: Vault, connection: ConnectionRef, names: Names) -> Known | None:
    """Who has one of the names, the lasting one first; nothing is learnt."""
    digests = await _digests(session, vault, connection, names)
    known = await _known(session, connection, digests.values())
    return next((known[digest] for digest in digests.values() if digest in known), None)


async def names_of(session: AsyncSession, vault: Vault, contact_ids: Collection[UUID]) -> list[tuple[UUID, str]]:
    """All names that are kept of these contacts, each with whose it is."""
    ciphers = await vault.ciphers(session, contact_ids)
    rows = await session.scalars(select(ContactAlias).where(col(ContactAlias.contact_id).in_(list(ciphers))))
    return [(row.contact_id, ciphers[row.contact_id].open(ALIAS, row.id, row.sealed)) for row in rows]


async def _digests(session: AsyncSession, vault: Vault, connection: ConnectionRef, names: Names) -> dict[str, bytes]:
    purpose = f"{ALIAS}|{connection.connection_id}"
    given = [name for name in (names.lasting, names.number) if name]
    return {name: await vault.digest(session, connection.tenant_id, purpose, name) for name in given}


async def _known(session: AsyncSession, connection: ConnectionRef, digests: Collection[bytes]) -> dict[bytes, Known]:
    of_names = {"connection_id": connection.connection_id, "digests": list(digests)}
    rows = await session.execute(_KNOWN, of_names)
    return {row.digest: Known(row.contact_id, row.external_id) for row in rows}


async def _lock(session: AsyncSession, digests: Collection[bytes]) -> None:
    """Until the transaction ends nobody else decides whose these names are: two messages may be a person's first."""
    for digest in sorted(set(digests)):
        await session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], "big", signed=True))))


async def _is_somebody(session: AsyncSession, contact_id: UUID) -> bool:
    """Whether a lasting name of the contact is known."""
    of_contact = select(ContactAlias.id).where(col(ContactAlias.contact_id) == contact_id)
    return (await session.scalar(of_contact.where(col(ContactAlias.is_lasting)).limit(1))) is not None


async def _held(session: AsyncSession, contact_ids: Collection[UUID]) -> list[Contact]:
    """Nobody else renames, joins or erases these contacts from now on, nor writes to their conversations. Those come
    first, as everybody locks them, and the contacts of all by their ids."""
    of_these = col(Conversation.contact_id).in_(contact_ids)
    await session.execute(
        select(Conversation.id).where(of_these).order_by(col(Conversation.id)).with_for_update(key_share=True)
    )
    contacts = select(Contact).where(col(Contact.id).in_(contact_ids)).order_by(col(Contact.id)).with_for_update()
    return list(await session.scalars(contacts, execution_options={"populate_existing": True}))


async def _made(session: AsyncSession, connection: ConnectionRef, key: str) -> Known:
    await _free(session, connection, key)
    contact_id = new_id()
    session.add(
        Contact(
            tenant_id=connection.tenant_id,
            id=contact_id,
            connection_id=connection.connection_id,
            external_id=key,
            person_id=contact_id,
        )
    )
    await session.flush()
    return Known(contact_id, key)


async def _free(session: AsyncSession, connection: ConnectionRef, key: str, *, for_id: UUID | None = None) -> None:
    """Whoever is found by the key was called so once, and no longer is. Holds them, and whom it is for."""
    of_key = select(Contact.id).where(
        col(Contact.connection_id) == connection.connection_id, col(Contact.external_id) == key
    )
    former_id = await session.scalar(of_key)
    if former_id not in (None, for_id):
        await _held(session, {former_id, for_id or former_id})
        await _set_key(session, Known(former_id, key), f"former:{former_id}")


async def _rekey(session: AsyncSession, connection: ConnectionRef, contact: Known, key: str) -> None:
    await _free(session, connection, key, for_id=contact.contact_id)
    await _set_key(session, contact, key)


async def _set_key(session: AsyncSession, contact: Known, key: str) -> None:
    of_contact = (col(Conversation.contact_id) == contact.contact_id, col(Conversation.root) == contact.external_id)
    await session.execute(update(Conversation).where(*of_contact).values(root=key))
    await session.execute(update(Contact).where(col(Contact.id) == contact.contact_id).values(external_id=key))


async def _join(session: AsyncSession, connection: ConnectionRef, contact_id: UUID, other_id: UUID) -> None:
    """Two contacts turn out to be one person, who is remembered as one."""
    persons = {row.id: row.person_id for row in await _held(session, {contact_id, other_id})}
    if persons[contact_id] == persons[other_id]:
        return
    await session.execute(
        update(Contact).where(col(Contact.person_id) == persons[other_id]).values(person_id=persons[contact_id])
    )
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor="channel",
        action="contact.joined",
        subject_id=contact_id,
        other=str(other_id),
    )


async def _learn(
    session: AsyncSession,
    vault: Vault,
    connection: ConnectionRef,
    contact_id: UUID,
    names: Names,
    digests: Mapping[str, bytes],
) -> None:
    """The names are the contact's from now on, whosever they were."""
    cipher = (await vault.ciphers(session, [contact_id])).get(contact_id)
    if cipher is None:
        cipher = await vault.cipher(session, connection.tenant_id, contact_id)
    rows = {
        row.digest: row
        for row in await session.scalars(
            select(ContactAlias)
            .where(col(ContactAlias.connection_id) == connection.connection_id)
            .where(col(ContactAlias.digest).in_(digests.values()))
        )
    }
    for name, digest in digests.items():
        row = rows.get(digest)
        if row is not None and row.contact_id == contact_id:
            continue
        if row is None:
            row = ContactAlias(
                tenant_id=connection.tenant_id,
                connection_id=connection.connection_id,
                contact_id=contact_id,
                digest=digest,
                sealed=b"",
                is_lasting=name == names.lasting,
            )
            session.add(row)
        row.contact_id, row.sealed = contact_id, cipher.seal(ALIAS, row.id, name)
    await session.flush()
