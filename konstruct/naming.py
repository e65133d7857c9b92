"""What contacts are called: as they call themselves where their channel tells, else as it knows them.

Names are sealed under the contact's key. Words of them are kept as digests under a key of the tenant's, so that a
contact is found by what somebody types of the name.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.aliases import ALIAS
from konstruct.db import Database
from konstruct.identity import ConnectionId, id_in
from konstruct.tables import Connection, Contact, ContactAlias, ContactWord
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault

NAME: Final = "contact name"
"""What ciphers call the purpose of what somebody calls themselves."""
WORD: Final = "contact word"

ERASED: Final = "Erased contact"
MOST_CHARACTERS: Final = 80
MOST_WORDS: Final = 6
LONGEST_BEGINNING: Final = 12
SHORTEST_BEGINNING: Final = 2
MOST_FOUND: Final = 200

ASKED_AGAIN_AFTER: Final = timedelta(days=30)
"""Names change; whoever writes after this long is asked for once more."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{6,14}")
_ONE_DIGIT: Final = ("1", "7")
_TWO_DIGITS: Final = frozenset(
    map(str, (20, 27, *range(30, 35), 36, 39, 40, 41, *range(43, 50), *range(51, 59), *range(60, 67), 81, 82, 84, 86))
) | frozenset(map(str, (*range(90, 96), 98)))
"""Countries' codes of that length; all others have three digits."""
_JOINING: Final = "\u200c\u200d"
"""Without these, some scripts and emoji are spelt wrongly."""


async def names(session: AsyncSession, vault: Vault, contact_ids: Collection[UUID]) -> dict[UUID, str]:
    """The best that is known of each of the session's tenant's contacts, to be shown to people."""
    rows = (
        await session.execute(
            select(col(Contact.id), col(Contact.external_id), col(Contact.sealed_name), col(Contact.erased_at))
            .add_columns(col(Connection.kind))
            .join(
                Connection,
                (col(Connection.tenant_id) == col(Contact.tenant_id)) & (col(Connection.id) == Contact.connection_id),
            )
            .where(col(Contact.id).in_(set(contact_ids)))
        )
    ).all()
    unnamed = {row.id for row in rows if not row.sealed_name and not _NUMBER.fullmatch(row.external_id)}
    by_number = {row.id for row in rows if row.kind == "whatsapp" and row.erased_at is None} & unnamed
    ciphers = await vault.ciphers(session, {row.id for row in rows if row.sealed_name} | by_number)
    numbers = await _numbers(session, ciphers, by_number)
    found: dict[UUID, str] = {}
    for row in rows:
        if row.erased_at is not None:
            found[row.id] = ERASED
        elif row.sealed_name is not None and row.id in ciphers:
            found[row.id] = ciphers[row.id].open(NAME, row.id, row.sealed_name)
        else:
            found[row.id] = numbers.get(row.id) or _as_known(row.id, row.kind, row.external_id)
    return found


async def name(session: AsyncSession, vault: Vault, contact_id: UUID) -> str:
    """Of one; of somebody whom this tenant does not know, as of one who was erased."""
    return (await names(session, vault, [contact_id])).get(contact_id, ERASED)


async def own_name(session: AsyncSession, vault: Vault, contact_id: UUID) -> str:
    """What somebody calls themselves; empty where that is not known."""
    query = select(col(Contact.sealed_name)).where(col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
    sealed = (await session.execute(query)).scalar_one_or_none()
    cipher = (await vault.ciphers(session, [contact_id])).get(contact_id) if sealed is not None else None
    return cipher.open(NAME, contact_id, sealed) if cipher is not None and sealed is not None else ""


async def find(
    session: AsyncSession, vault: Vault, tenant_id: UUID, text: str, at_most: int = MOST_FOUND
) -> list[UUID]:
    """Contacts whose name has words that begin so, or whose number, id with the channel, or id this is; the newest
    first."""
    given = id_in(text)
    found = list(await session.scalars(select(col(Contact.id)).where(col(Contact.id) == given))) if given else []
    connections = list(await session.scalars(select(col(Connection.id))))
    known_as = [text.strip(), number] if (number := _digits(text)) else [text.strip()]
    found += await session.scalars(
        select(col(Contact.id))
        .where(col(Contact.connection_id).in_(connections), col(Contact.external_id).in_(known_as))
        .where(col(Contact.erased_at).is_(None))
    )
    aliases = [
        await vault.digest(session, tenant_id, f"{ALIAS}|{connection_id}", each)
        for connection_id in connections
        for each in known_as
    ]
    found += await session.scalars(
        select(col(ContactAlias.contact_id)).where(
            col(ContactAlias.connection_id).in_(connections), col(ContactAlias.digest).in_(aliases)
        )
    )
    if wanted := [word[:LONGEST_BEGINNING] for word in _words(text)]:
        digests = {await vault.digest(session, tenant_id, WORD, word) for word in wanted}
        found += await session.scalars(
            select(col(ContactWord.contact_id))
            .where(col(ContactWord.digest).in_(digests))
            .group_by(col(ContactWord.contact_id))
            .having(func.count() == len(digests))
            .order_by(col(ContactWord.contact_id).desc())
            .limit(at_most)
        )
    return list(dict.fromkeys(found))[:at_most]


async def hear(
    session: AsyncSession,
    vault: Vault,
    tenant_id: UUID,
    cipher: ContactCipher,
    given: str,
    sealed_name: bytes | None,
    named_at: datetime | None,
    name_due_at: datetime | None,
    *,
    can_ask: bool,
) -> None:
    """Takes down what came along with a message of theirs, where that is new, or has the channel asked."""
    if can_ask and is_to_be_asked(named_at, name_due_at):
        await want(session, cipher.contact_id)
    elif not is_known(cipher, cipher.contact_id, sealed_name, given):
        await learn(session, vault, tenant_id, cipher, given)


def is_known(cipher: ContactCipher, contact_id: UUID, sealed_name: bytes | None, given: str) -> bool:
    """Whether the name that came along is the one that is kept already, or none."""
    cleaned = clean(given)
    return not cleaned or (sealed_name is not None and cipher.open(NAME, contact_id, sealed_name) == cleaned)


async def learn(session: AsyncSession, vault: Vault, tenant_id: UUID, cipher: ContactCipher, given: str | None) -> None:
    """The contact calls themselves so from now on; None where the channel was asked and does not tell."""
    cleaned, contact_id = clean(given or ""), cipher.contact_id
    values: dict[str, object] = {"named_at": utc_now(), "name_due_at": None}
    if cleaned:
        values["sealed_name"] = cipher.seal(NAME, contact_id, cleaned)
    still_there = (col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
    named = update(Contact).where(*still_there).values(values).execution_options(synchronize_session=False)
    if (await session.execute(named.returning(col(Contact.id)))).first() is None or not cleaned:
        return
    await session.execute(delete(ContactWord).where(col(ContactWord.contact_id) == contact_id))
    digests = {await vault.digest(session, tenant_id, WORD, each) for each in _beginnings(cleaned)}
    if digests:
        rows = [{"tenant_id": tenant_id, "digest": digest, "contact_id": contact_id} for digest in sorted(digests)]
        await session.execute(insert(ContactWord).values(rows).on_conflict_do_nothing())


def is_to_be_asked(named_at: datetime | None, name_due_at: datetime | None) -> bool:
    """Whether the channel of somebody who just wrote should be asked who they are."""
    return name_due_at is None and (named_at is None or named_at < utc_now() - ASKED_AGAIN_AFTER)


@dataclass(frozen=True)
class Due:
    """Somebody whose channel is to be asked who they are."""

    tenant_id: UUID
    connection_id: ConnectionId
    contact_id: UUID


async def due(database: Database, at_most: int) -> list[Due]:
    """Of all tenants, who has waited longest first."""
    async with database.system_session() as session:
        rows = await session.execute(sql("select * from contacts_to_name(:at_most)"), {"at_most": at_most})
        return [Due(row.tenant_id, ConnectionId(row.connection_id), row.contact_id) for row in rows]


async def person(session: AsyncSession, contact_id: UUID) -> str | None:
    """What the channel knows them by; None where they were erased."""
    known = select(col(Contact.external_id)).where(col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
    found: str | None = await session.scalar(known)
    return found


async def put_off(session: AsyncSession, contact_ids: Collection[UUID], delay: timedelta) -> None:
    """They are asked for later."""
    await session.execute(
        update(Contact)
        .where(col(Contact.id).in_(contact_ids), col(Contact.name_due_at).is_not(None))
        .values(name_due_at=utc_now() + delay)
        .execution_options(synchronize_session=False)
    )


async def want(session: AsyncSession, contact_id: UUID) -> None:
    """The channel is to be asked for the contact's name soon."""
    await session.execute(
        update(Contact)
        .where(col(Contact.id) == contact_id)
        .values(name_due_at=utc_now())
        .execution_options(synchronize_session=False)
    )


def clean(given: str) -> str:
    """As it can stand in a line: without what shows nothing or turns others around."""
    seen = "".join(
        " " if char.isspace() else char
        for char in given.encode("utf-8", "replace").decode()
        if char.isprintable() or char.isspace() or char in _JOINING
    )
    cut = " ".join(seen.split())[:MOST_CHARACTERS].strip()
    return cut if cut.strip(_JOINING) else ""


def formatted(number: str) -> str:
    """``+49 170 123 4567`` of ``491701234567``."""
    code = number[:1] if number.startswith(_ONE_DIGIT) else number[:2] if number[:2] in _TWO_DIGITS else number[:3]
    rest = number[len(code) :]
    # What is over three times three goes to the last groups, so that none has one or two digits.
    fours = min(len(rest) % 3, len(rest) // 4)
    threes = (len(rest) - 4 * fours) // 3
    sizes = [3] * threes + [4] * fours if len(rest) >= 6 else [len(rest)]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    groups = [rest[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return f"+{code} {' '.join(groups)}"


async def _numbers(
    session: AsyncSession, ciphers: Mapping[UUID, ContactCipher], contact_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Of those whom the channel has another name for that is no number, the number, where it is known."""
    if not contact_ids:
        return {}
    rows = await session.scalars(
        select(ContactAlias)
        .where(col(ContactAlias.contact_id).in_(contact_ids), ~col(ContactAlias.is_lasting))
        .order_by(col(ContactAlias.created_at))
    )
    found: dict[UUID, str] = {}
    for row in rows:
        if (cipher := ciphers.get(row.contact_id)) is not None:
            alias = cipher.open(ALIAS, row.id, row.sealed)
            found[row.contact_id] = formatted(alias) if _NUMBER.fullmatch(alias) else alias
    return found


def _as_known(contact_id: UUID, kind: str, external_id: str) -> str:
    if kind == "whatsapp" and _NUMBER.fullmatch(external_id):
        return formatted(external_id)
    if kind == "whatsapp" or len(external_id) > 24 or external_id.startswith("former:"):
        return f"Contact {contact_id.hex[-8:]}"
    return external_id


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return [word for word in re.split(r"[\W_]+", bare) if word][:MOST_WORDS]


def _beginnings(text: str) -> set[str]:
    return {
        word[:length]
        for word in _words(text)
        for length in range(min(SHORTEST_BEGINNING, len(word)), min(LONGEST_BEGINNING, len(word)) + 1)
    }


def _digits(text: str) -> str:
    """A number as channels know it, of whatever somebody typed that is one."""
    bare = re.sub(r"[\s()+./-]", "", text)
    return bare.removeprefix("00") if _NUMBER.fullmatch(bare.removeprefix("00")) else ""
