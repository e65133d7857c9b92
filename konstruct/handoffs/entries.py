"""What agents write: replies that go to the contact, notes that never do, and what they have a model write for them.

Whatever channel it comes through, it is kept before it counts as taken, and once however often it comes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, consent, reply_window
from konstruct.errors import BadInput, Conflict, NotFound, Unavailable
from konstruct.files import keeping
from konstruct.handoffs import notes, owning
from konstruct.handoffs.owning import Agent
from konstruct.messages import MAX_BODY, SentFile, files_of, outgoing_words, storable
from konstruct.tables import Conversation, Handoff, HandoffEntry, Message
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE

ENTRY: Final = "handoff entry"
"""What ciphers call the purpose of what is not a message."""

Source = Literal["slack", "api", "portal"]
_PART: Final = " #"
"""Between a name and the number of a further part. No name that is given has a space."""
ERASED: Final = "The person whom this was about was erased."
ANOTHER_VERSION: Final = (
    "Another version of this was taken already, and stands in the conversation. This one was not: to add it, send it"
    " once more, as something new."
)


@dataclass(frozen=True)
class Enclosure:
    """A file that lies in the store, sealed under the contact's key, to be taken along."""

    object_id: UUID
    sent: SentFile


@dataclass(frozen=True)
class Origin:
    """Where something was written, so that it counts once."""

    source: Source
    external_id: str


@dataclass(frozen=True)
class Written:
    conversation_id: UUID
    message_ids: list[UUID] = field(default_factory=list)
    """To be sent to the contact, in this order."""
    entry_ids: list[UUID] = field(default_factory=list)
    is_new: bool = True
    """False for a repetition, which changed nothing."""
    waits: bool = False
    """It goes out when the contact writes again: see ``konstruct.reply_window``."""


async def write(
    session: AsyncSession,
    vault: Vault,
    handoff_id: UUID,
    by: Agent,
    text: str,
    origin: Origin,
    split: Callable[[str], list[str]],
    files: Sequence[Enclosure] = (),
) -> Written:
    """Takes down what an agent wrote: what is no note goes to the contact. ``split``: as the channel needs it.
    ``files``: as ``enclosing`` made them ready; they go to the contact behind the text, which then may be empty.

    Raises:
        NotFound: there is no such handoff, or its contact was erased.
        Conflict: some of it is for the contact, and they want to hear nothing more, or the conversation is not the
            agent's, or the channel takes no message now; or something else came from there. Nothing was kept. What was
        changed since it was taken is something else, too: whoever sent it must not believe that it was said.
        BadInput: it is empty or too long.
        Unavailable: a file lies in the store no longer; it has to be handed in again.
    """
    conversation, handoff = await owning.locked(session, handoff_id)
    divided = notes.split(text)
    if before := await known(session, handoff, origin, "reply", "note"):
        says = tuple(_parts(split, divided.says)) if divided.says else ()
        sent = tuple((each.sent.media_type, each.sent.size) for each in files)
        await _be_the_same(session, vault, before, _Content(says, divided.note, sent))
        return _written(handoff, before, is_new=False)
    if text.strip() or not files:
        _be_writable(text)
    cipher = await cipher_of(session, vault, handoff)
    entries: list[HandoffEntry] = []
    outlook: Literal["open", "waits"] = "open"
    if divided.says or files:
        outlook = await be_heard(session, conversation, handoff, by)
        messages = [
            outgoing_words(conversation, cipher, handoff.contact_id, part, signed=by.name)
            for part in (_parts(split, divided.says) if divided.says else ())
        ]
        session.add_all(messages)
        messages += [await _enclosed(session, conversation, cipher, by, each) for each in files]
        for number, message in enumerate(messages):
            of_part = replace(origin, external_id=f"{origin.external_id}{_PART}{number}") if number else origin
            entries.append(_entry(handoff, "reply", by, of_part, message_id=message.id))
        handoff.replied_at = handoff.replied_at or utc_now()
        said = [str(each.message_id) for each in entries]
        more = {"files": len(files)} if files else {}
        _record(session, handoff, "handoff.replied", by.key, messages=said, **more)
    if divided.note:
        entries.append(_noted(session, handoff, cipher, by, divided.note, origin))
    session.add_all(entries)
    return replace(_written(handoff, entries, is_new=True), waits=outlook == "waits")


async def be_heard(
    session: AsyncSession, conversation: Conversation, handoff: Handoff, by: Agent
) -> Literal["open", "waits"]:
    """Whether what the agent sends now goes out at once. Both rows must be locked. Raises Conflict where it never
    would, as ``write`` does."""
    if handoff.state != "owned" or handoff.agent != by.key:
        raise Conflict(await _not_yours(session, handoff))
    if await consent.has_opted_out(session, handoff.contact_id):
        raise Conflict(consent.OPTED_OUT)
    outlook = await reply_window.outlook(session, conversation)
    if outlook == "closed":
        raise Conflict(reply_window.CANNOT_WAIT)
    return outlook


async def note(session: AsyncSession, vault: Vault, handoff_id: UUID, by: Agent, text: str, origin: Origin) -> Written:
    """Keeps all of it among people, whoever has the conversation. Raises as ``write`` does."""
    _be_writable(text)
    _, handoff = await owning.locked(session, handoff_id)
    if before := await known(session, handoff, origin, "reply", "note"):
        await _be_the_same(session, vault, before, _Content(note=text))
        return _written(handoff, before, is_new=False)
    entry = _noted(session, handoff, await cipher_of(session, vault, handoff), by, text, origin)
    session.add(entry)
    return _written(handoff, [entry], is_new=True)


async def ask(
    session: AsyncSession, handoff_id: UUID, by: Agent, kind: Literal["draft", "summary"], origin: Origin
) -> UUID:
    """Something that a model is to write for the agent. Gives the entry in which it will stand."""
    _, handoff = await owning.locked(session, handoff_id)
    if before := await known(session, handoff, origin, kind):
        return before[0].id
    if handoff.state == "over":
        raise Conflict("This is over: nothing is written for it any more.")
    entry = _entry(handoff, kind, by, origin, state="wanted")
    session.add(entry)
    _record(session, handoff, f"handoff.{kind}_asked", by.key, entry_id=str(entry.id))
    return entry.id


async def fill(session: AsyncSession, vault: Vault, entry_id: UUID, text: str | None, why: str = "") -> None:
    """What a model wrote for it; None when none could, with a sentence that says ``why``, where that is known. The
    first stands."""
    entry = await get(session, entry_id)
    cipher = (await vault.ciphers(session, [entry.contact_id])).get(entry.contact_id)
    if entry.state != "wanted" or cipher is None:
        return
    entry.state = "kept" if text else "failed"
    entry.sealed = cipher.seal(ENTRY, entry.id, text or why) if text or why else None


async def of_handoff(session: AsyncSession, handoff_id: UUID) -> list[HandoffEntry]:
    """In the order in which they were written."""
    found = await session.scalars(
        select(HandoffEntry)
        .where(col(HandoffEntry.handoff_id) == handoff_id)
        .order_by(col(HandoffEntry.created_at), col(HandoffEntry.id))
    )
    return list(found)


async def get(session: AsyncSession, entry_id: UUID) -> HandoffEntry:
    """Raises NotFound when the session's tenant has no such entry."""
    entry = await session.scalar(select(HandoffEntry).where(col(HandoffEntry.id) == entry_id))
    if entry is None:
        raise NotFound("There is no such entry.")
    return entry


async def text(session: AsyncSession, vault: Vault, entry_id: UUID) -> str:
    """Of a note. Raises NotFound as ``get`` does, and where the contact was erased."""
    entry = await get(session, entry_id)
    cipher = (await vault.ciphers(session, [entry.contact_id])).get(entry.contact_id)
    if cipher is None:
        raise NotFound(ERASED)
    return opened(entry, cipher)


def opened(entry: HandoffEntry, cipher: ContactCipher) -> str:
    return cipher.open(ENTRY, entry.id, entry.sealed) if entry.sealed else ""


def _parts(split: Callable[[str], list[str]], text: str) -> list[str]:
    try:
        return split(text)
    except ValueError:
        raise BadInput("There is nothing in it that anybody could see.") from None


async def _enclosed(
    session: AsyncSession, conversation: Conversation, cipher: ContactCipher, by: Agent, file: Enclosure
) -> Message:
    """A message that is nothing but the file."""
    if not await keeping.take_up(session, file.object_id):
        raise Unavailable("A file is not kept any more: send it again.")
    message = outgoing_words(conversation, cipher, cipher.contact_id, "", signed=by.name)
    session.add(message)
    # Its file refers to it, and no relationship says so.
    await session.flush()
    keeping.enclose(session, cipher, message, file.object_id, file.sent)
    return message


def _be_writable(text: str) -> None:
    if not text.strip():
        raise BadInput("There is nothing to say: write something.")
    if len(text) > MAX_BODY:
        raise BadInput(f"This is too long: at most {MAX_BODY:,} characters go out at once.")


async def cipher_of(session: AsyncSession, vault: Vault, handoff: Handoff) -> ContactCipher:
    cipher = (await vault.ciphers(session, [handoff.contact_id])).get(handoff.contact_id)
    if cipher is None:
        raise NotFound(ERASED)
    return cipher


async def known(session: AsyncSession, handoff: Handoff, origin: Origin, *kinds: str) -> list[HandoffEntry]:
    """What was written there before. Raises Conflict where it was something else."""
    query = (
        select(HandoffEntry)
        .where(col(HandoffEntry.source) == origin.source)
        .where(
            or_(
                col(HandoffEntry.external_id) == origin.external_id,
                # The further parts of a reply that was too long for one message.
                col(HandoffEntry.external_id).startswith(f"{origin.external_id}{_PART}", autoescape=True),
            )
        )
        .order_by(col(HandoffEntry.created_at), col(HandoffEntry.id))
    )
    found = list(await session.scalars(query))
    if any(entry.handoff_id != handoff.id or entry.kind not in kinds for entry in found):
        raise Conflict("This key was used before, for something else: choose another one.")
    return found


@dataclass(frozen=True)
class _Content:
    """What came, or comes, under one name."""

    said: tuple[str, ...] = field(default=(), repr=False)
    note: str = field(default="", repr=False)
    files: tuple[tuple[str, int], ...] = ()
    """Types and sizes: names change where others are called so."""


async def _be_the_same(session: AsyncSession, vault: Vault, before: Sequence[HandoffEntry], now: _Content) -> None:
    """Raises Conflict where it is not what was taken; what is not there to read any more is not compared."""
    contact_id = before[0].contact_id
    cipher = (await vault.ciphers(session, [contact_id])).get(contact_id)
    was, files = list[str](), list[tuple[str, int]]()
    for entry in before:
        if entry.message_id is None:
            continue
        message = await session.get(Message, (entry.tenant_id, entry.message_id))
        if message is None or message.sealed is None or cipher is None:
            return
        if message.sealed_files is not None:
            files += [(each.media_type, each.size) for each in files_of(message, cipher)]
        else:
            was.append(cipher.open(MESSAGE, message.id, message.sealed))
    noted = [entry for entry in before if entry.kind == "note"]
    if cipher is None or any(entry.sealed is None for entry in noted):
        return
    note = "".join(opened(entry, cipher) for entry in noted)
    if _Content(tuple(was), note, tuple(files)) != replace(now, said=tuple(map(storable, now.said))):
        raise Conflict(ANOTHER_VERSION)


async def _not_yours(session: AsyncSession, handoff: Handoff) -> str:
    if handoff.state == "over":
        return "This is over: what you write here no longer goes to the contact. Take the conversation over first."
    if handoff.state == "owned":
        return f"{await owning.name(session, handoff.agent)} has the conversation: only what they write goes out."
    return "Nobody has the conversation: take it over first, then what you write goes out."


def _noted(
    session: AsyncSession, handoff: Handoff, cipher: ContactCipher, by: Agent, text: str, origin: Origin
) -> HandoffEntry:
    entry = _entry(handoff, "note", by, origin)
    entry.sealed = cipher.seal(ENTRY, entry.id, text)
    _record(session, handoff, "handoff.noted", by.key, entry_id=str(entry.id))
    return entry


def _entry(handoff: Handoff, kind: str, by: Agent, origin: Origin, **more: Any) -> HandoffEntry:
    # What was written in the card's thread stands there already.
    posted_at = utc_now() if origin.source == "slack" and kind in ("reply", "note") else None
    return HandoffEntry(
        tenant_id=handoff.tenant_id,
        handoff_id=handoff.id,
        conversation_id=handoff.conversation_id,
        contact_id=handoff.contact_id,
        kind=kind,
        agent=by.key,
        source=origin.source,
        external_id=origin.external_id,
        posted_at=posted_at,
        **more,
    )


def _written(handoff: Handoff, entries: list[HandoffEntry], *, is_new: bool) -> Written:
    return Written(
        handoff.conversation_id,
        [entry.message_id for entry in entries if entry.message_id is not None],
        [entry.id for entry in entries],
        is_new,
    )


def _record(session: AsyncSession, handoff: Handoff, action: str, actor: str, **detail: Any) -> None:
    audit.record(
        session,
        tenant_id=handoff.tenant_id,
        conversation_id=handoff.conversation_id,
        actor=actor,
        action=action,
        subject_id=handoff.contact_id,
        handoff_id=str(handoff.id),
        **detail,
    )
