"""What is due for a handoff: what its people are to be shown, and what the contact is told while it waits.

What happens in the database happens here, once. What is to be done outside is written down as a task first and crossed
out afterwards, so that an activity that is cut off in between finds it, and looks before it does it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import TypeAdapter
from sqlalchemy import and_, exists, or_
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.channels import CHANNELS, Channel
from konstruct.db import Database
from konstruct.desk import people, texts
from konstruct.desk.people import Desk, Group
from konstruct.desk.plan import MOST_NOTICES, Action, Email, GiveUp, Remind, Ring, TellContact, Waiting, applied, plan
from konstruct.desk_ports import DeskEntry
from konstruct.files import keeping, showing
from konstruct.handoffs import entries, owning
from konstruct.messages import outgoing_notice
from konstruct.tables import Connection, Conversation, Handoff, HandoffEntry, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from konstruct.window import MESSAGE

LINES_AT_ONCE: Final = 50
MOST_TRIES: Final = 4
"""Attempts that ended without anybody knowing how; then it is shown in its channel no more."""
KONSTRUCT: Final = "Konstruct"
_WAITING: Final = TypeAdapter(Waiting)

_KINDS: Final[dict[str, Literal["contact", "agent", "employee", "system"]]] = {
    "contact": "contact",
    "agent": "agent",
    "employee": "employee",
    "system": "system",
}


@dataclass(frozen=True)
class Task:
    """Something to be done outside: people are rung or reminded in the thread, or written to."""

    id: UUID
    kind: Literal["ring", "remind", "email"]
    people: tuple[str, ...]
    noted_at: datetime


@dataclass(frozen=True)
class Advanced:
    """``notice_ids``: of what the contact is told. ``answer_id``: what the employee is to answer, where it has the
    conversation back; ``is_erased``: it has, since its contact was erased, and its workflow does not know."""

    conversation_id: UUID
    tasks: tuple[Task, ...]
    notice_ids: tuple[UUID, ...] = ()
    answer_id: UUID | None = None
    is_erased: bool = False


@dataclass(frozen=True)
class Post:
    """One line for the thread of the card."""

    entry: DeskEntry
    is_uncertain: bool
    """Somebody may have put it there already, and did not say so."""
    seq: int = 0
    """Of a message of the conversation."""
    entry_id: UUID | None = None
    """Of an entry of the handoff's own."""
    is_refusal: bool = False
    """It says that the entry, a reply, did not reach the contact."""


_TASK: Final = TypeAdapter(Task)


async def advance(
    session: AsyncSession,
    vault: Vault,
    handoff_id: UUID,
    now: datetime,
    channels: Mapping[str, Channel] = CHANNELS,
) -> Advanced:
    """Does what is due by now, as far as the database goes, and writes down the rest. The same again does nothing."""
    conversation, handoff = await owning.locked(session, handoff_id)
    handoff.attended_at = now
    desk = await people.settings(session)
    group = desk.group_for(handoff.target)
    if handoff.state == "told" and not handoff.progress:
        # Once: the employee carries on, so nobody is waited for.
        handoff.progress = {"count": 0}
        _note_tasks(handoff, [Ring(tuple(person.key for person in group.people))])
    if handoff.state != "waiting":
        _settle(handoff)
        return Advanced(conversation.id, _tasks(handoff), is_erased=handoff.ended_how == "erased")
    deadline = await _reply_deadline(session, conversation, channels)
    waiting = replace(waiting_of(handoff), reply_deadline=deadline)
    due = plan(group, waiting, now)
    told = [text for action in due.actions if (text := _told(action, group)) is not None]
    # After the channel's deadline nothing gets through until the contact writes again.
    notices = [outgoing_notice(conversation, text) for text in told if deadline is None or now < deadline]
    session.add_all(notices)
    _note_tasks(handoff, due.actions)
    handoff.progress = handoff.progress | {"waiting": _dumped(applied(waiting, due.actions, now))}
    handoff.next_due_at = due.next_at
    answer_id = None
    if GiveUp("hand_back") in due.actions:
        answer_id = (await owning.give_up(session, vault, handoff_id)).answer_id
        _settle(handoff)
    return Advanced(conversation.id, _tasks(handoff), tuple(notice.id for notice in notices), answer_id)


async def _reply_deadline(
    session: AsyncSession, conversation: Conversation, channels: Mapping[str, Channel]
) -> datetime | None:
    """Until when the contact may be written to; None: always."""
    kind = select(col(Connection.kind)).where(col(Connection.id) == conversation.connection_id)
    reply_window = channels[(await session.execute(kind)).scalar_one()].reply_window
    if reply_window is None:
        return None
    return (conversation.contact_said_at or conversation.created_at) + reply_window


def waiting_of(handoff: Handoff) -> Waiting:
    """What was done for it since it began to wait, which is anew after a release."""
    kept = handoff.progress.get("waiting")
    return _WAITING.validate_python(kept) if kept else Waiting(since=handoff.created_at)


def wait_anew(handoff: Handoff, now: datetime) -> None:
    """As if people had been rung and reminded now and the contact been told all there is to tell: what was done may be
    done already, and nobody knows. Time to give it up begins anew."""
    handoff.progress = {"count": handoff.progress.get("count", 0), "tasks": []}
    if handoff.state == "waiting":
        done = replace(
            waiting_of(handoff), since=now, rung_at=now, reminded_at=now, told_at=now, told_count=MOST_NOTICES
        )
        handoff.progress = handoff.progress | {"waiting": _dumped(done)}
        handoff.next_due_at = now


async def cross_out(session: AsyncSession, handoff_id: UUID, task_id: UUID) -> None:
    """It was done."""
    _, handoff = await owning.locked(session, handoff_id)
    left = [task for task in handoff.progress.get("tasks", []) if task["id"] != str(task_id)]
    handoff.progress = handoff.progress | {"tasks": left}


async def count(session: AsyncSession, handoff_id: UUID) -> None:
    """An attempt that comes after one that did not end well, before it is made."""
    _, handoff = await owning.locked(session, handoff_id)
    handoff.tries += 1


async def uncount(session: AsyncSession, handoff_id: UUID) -> None:
    """It ended well, or in a way that somebody foresaw. What was given up stays so."""
    _, handoff = await owning.locked(session, handoff_id)
    if 0 < handoff.tries <= MOST_TRIES:
        handoff.tries -= 1


async def not_now(session: AsyncSession, handoff_id: UUID, agent: str) -> None:
    """The agent cannot take it now: the next one is asked. Nothing comes of it where it no longer waits."""
    _, handoff = await owning.locked(session, handoff_id)
    if handoff.state != "waiting":
        return
    waiting = waiting_of(handoff)
    declined = _dumped(waiting) | {"not_now": sorted({*waiting.not_now, agent})}
    handoff.progress = handoff.progress | {"waiting": declined}
    handoff.next_due_at = utc_now()


async def next_posts(session: AsyncSession, vault: Vault, handoff: Handoff, desk: Desk) -> list[Post]:
    """What is said in the conversation and does not stand in the thread yet, then what else is to stand there."""
    cipher = (await vault.ciphers(session, [handoff.contact_id])).get(handoff.contact_id)
    posts = [post for row in await _unmirrored(session, handoff) if (post := await _line(session, vault, handoff, row))]
    if cipher is None:
        return posts
    for entry in await _undelivered(session, handoff):
        told = "The channel did not take this: it has not reached the contact."
        shown = DeskEntry(uuid5(entry.id, "refused"), KONSTRUCT, told, "system", entry.created_at)
        posts.append(Post(shown, entry.posting_at is not None, entry_id=entry.id, is_refusal=True))
    for entry in await _unposted(session, handoff):
        author = desk.name_of(entry.agent)
        text = entries.opened(entry, cipher) or "No model could write this just now."
        kind: Any = entry.kind if entry.state == "kept" else "system"
        shown = DeskEntry(entry.id, author if kind == entry.kind else KONSTRUCT, text, kind, entry.created_at)
        posts.append(Post(shown, entry.posting_at is not None, entry_id=entry.id))
    return posts


async def begin_post(session: AsyncSession, handoff_id: UUID, post: Post) -> None:
    if post.entry_id is not None:
        (await entries.get(session, post.entry_id)).posting_at = utc_now()
        return
    handoff = await owning.get(session, handoff_id)
    handoff.mirroring_seq = post.seq


async def end_post(session: AsyncSession, handoff_id: UUID, post: Post) -> None:
    if post.entry_id is not None:
        entry = await entries.get(session, post.entry_id)
        entry.state = "failed" if post.is_refusal else entry.state
        entry.posted_at = utc_now()
        return
    handoff = await owning.get(session, handoff_id)
    handoff.mirrored_seq = max(handoff.mirrored_seq, post.seq)


async def begin_anew(session: AsyncSession, handoff_id: UUID) -> None:
    """The card's thread is gone: another card gets the lines again."""
    _, handoff = await owning.locked(session, handoff_id)
    handoff.mirrored_seq, handoff.mirroring_seq = max(0, handoff.began_seq - owning.LINES_BEFORE), None


async def wanted(session: AsyncSession, handoff_id: UUID) -> list[UUID]:
    """What a model is to write."""
    found = await session.scalars(
        select(col(HandoffEntry.id))
        .where(col(HandoffEntry.handoff_id) == handoff_id, col(HandoffEntry.state) == "wanted")
        .order_by(col(HandoffEntry.created_at), col(HandoffEntry.id))
    )
    return list(found)


async def waiting_files(session: AsyncSession, handoff: Handoff) -> set[UUID]:
    """Messages whose files people wait for. Where the employee carries on, it has them fetched itself."""
    if handoff.state not in ("waiting", "owned"):
        return set()
    return await keeping.waiting_with(session, handoff.conversation_id)


def task_entry_id(handoff_id: UUID, task: Task) -> UUID:
    return uuid5(handoff_id, f"{task.kind}-{task.id}")


@dataclass(frozen=True)
class Unsettled:
    tenant_id: UUID
    handoff_id: UUID


async def unsettled(database: Database, at_most: int) -> list[Unsettled]:
    """Handoffs of all tenants that have waited longer for their workflow than it takes to tell it."""
    async with database.system_session() as session:
        rows = await session.execute(sql("select * from handoffs_unsettled(:at_most)"), {"at_most": at_most})
        return [Unsettled(row.tenant_id, row.handoff_id) for row in rows]


async def note_swept(session: AsyncSession, handoff_id: UUID) -> None:
    (await owning.get(session, handoff_id)).swept_at = utc_now()


def _settle(handoff: Handoff) -> None:
    """Nothing is due by itself any more, and nobody is called whom it no longer needs."""
    handoff.next_due_at = None
    if handoff.state != "told":
        handoff.progress = handoff.progress | {"tasks": []}


def _told(action: Action, group: Group) -> str | None:
    match action:
        case TellContact(kind, until):
            return texts.told(kind, until=until, time_zone=group.time_zone)
        case GiveUp("apologise"):
            return texts.told("apologise")
    # Where the employee has it back, it says so itself.
    return None


def _note_tasks(handoff: Handoff, actions: Sequence[Action]) -> None:
    kinds: dict[type, str] = {Ring: "ring", Remind: "remind", Email: "email"}
    number, tasks = handoff.progress.get("count", 0), list(handoff.progress.get("tasks", []))
    for action in actions:
        if isinstance(action, Ring | Remind | Email) and action.people:
            number += 1
            task_id = uuid5(handoff.id, f"task-{number}")
            task = {"id": str(task_id), "kind": kinds[type(action)], "people": list(action.people)}
            tasks.append(task | {"noted_at": utc_now().isoformat()})
    handoff.progress = handoff.progress | {"count": number, "tasks": tasks}


def _tasks(handoff: Handoff) -> tuple[Task, ...]:
    kept = handoff.progress.get("tasks", [])
    return tuple(_TASK.validate_python(task) for task in kept)


def _dumped(waiting: Waiting) -> dict[str, Any]:
    dumped: dict[str, Any] = _WAITING.dump_python(waiting, mode="json")
    return dumped


async def _unmirrored(session: AsyncSession, handoff: Handoff) -> Sequence[Message]:
    written_there = exists().where(col(HandoffEntry.message_id) == col(Message.id), col(HandoffEntry.source) == "slack")
    query = (
        select(Message)
        .where(col(Message.conversation_id) == handoff.conversation_id, col(Message.seq) > handoff.mirrored_seq)
        .where(col(Message.state).not_in(("deleted", "refused", "discarded")), ~written_there)
        # What the employee is told of people is nothing for people.
        .where(or_(col(Message.author) != "system", col(Message.direction) == "outbound"))
        .where(or_(col(Message.sealed).is_not(None), col(Message.body).is_not(None)))
        .order_by(col(Message.seq))
        .limit(LINES_AT_ONCE)
    )
    if handoff.ended_at is not None:
        query = query.where(col(Message.created_at) <= handoff.ended_at)
    rows = (await session.scalars(query)).all()
    unfetched = await waiting_files(session, handoff)
    # What is still being written, or fetched, is shown when it is whole, and what comes after it then.
    return list(takewhile(lambda row: row.state != "streaming" and row.id not in unfetched, rows))


async def _line(session: AsyncSession, vault: Vault, handoff: Handoff, message: Message) -> Post | None:
    text = message.body
    if message.sealed is not None and message.contact_id is not None:
        ciphers = await vault.ciphers(session, [message.contact_id])
        cipher = ciphers.get(message.contact_id)
        text = cipher.open(MESSAGE, message.id, message.sealed) if cipher else None
        if text is not None and message.sealed_files is not None:
            files = await showing.attached(session, ciphers, [message.id])
            text = showing.for_people(text, files.get(message.id, ()))
    if not text:
        return None
    authors = {"contact": "Contact", "agent": message.signed or "", "employee": "Employee", "system": KONSTRUCT}
    kind = _KINDS[message.author]
    entry = DeskEntry(message.id, authors[message.author], text, kind, message.created_at)
    return Post(entry, message.seq == handoff.mirroring_seq, message.seq)


async def _undelivered(session: AsyncSession, handoff: Handoff) -> Sequence[HandoffEntry]:
    """Replies that the channel did not take, which nobody was told of."""
    found = await session.scalars(
        select(HandoffEntry)
        .join(
            Message,
            and_(
                col(Message.tenant_id) == col(HandoffEntry.tenant_id), col(Message.id) == col(HandoffEntry.message_id)
            ),
        )
        .where(col(HandoffEntry.handoff_id) == handoff.id, col(HandoffEntry.state) == "kept")
        .where(col(Message.state) == "failed")
        .order_by(col(HandoffEntry.created_at), col(HandoffEntry.id))
        .limit(LINES_AT_ONCE)
    )
    return found.all()


async def _unposted(session: AsyncSession, handoff: Handoff) -> Sequence[HandoffEntry]:
    found = await session.scalars(
        select(HandoffEntry)
        .where(col(HandoffEntry.handoff_id) == handoff.id, col(HandoffEntry.posted_at).is_(None))
        .where(
            col(HandoffEntry.kind) != "reply",
            or_(
                and_(col(HandoffEntry.state) == "kept", col(HandoffEntry.sealed).is_not(None)),
                col(HandoffEntry.state) == "failed",
            ),
        )
        .order_by(col(HandoffEntry.created_at), col(HandoffEntry.id))
        .limit(LINES_AT_ONCE)
    )
    return found.all()
