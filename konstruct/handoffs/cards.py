"""What a card says of a handoff, and what people are written by e-mail."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import employees, naming
from konstruct.desk import texts
from konstruct.desk.people import Desk
from konstruct.desk_ports import HandoffCard
from konstruct.handoffs import owning
from konstruct.ports import Mail
from konstruct.tables import Handoff, Tenant
from konstruct.vault import ContactCipher, Vault

PACKET: Final = "handoff packet"
"""What ciphers call the purpose of what a model wrote for people."""

_ENDS: Final = {
    "resolved": "{name} has dealt with it.",
    "handed_back": "It was handed back to the employee.",
    "nobody_came": "Nobody came in time, and the employee went on.",
    "erased": "The person whom it was about was erased.",
}


@dataclass(frozen=True)
class Written:
    """What a model wrote for people; empty where none could."""

    summary: str = ""
    tried: str = ""
    suggestion: str = ""


def written(handoff: Handoff, cipher: ContactCipher) -> Written:
    if handoff.sealed_packet is None:
        return Written()
    return Written(**json.loads(cipher.open(PACKET, handoff.id, handoff.sealed_packet)))


def reason(handoff: Handoff, cipher: ContactCipher) -> str:
    return cipher.open(owning.REASON, handoff.id, handoff.sealed_reason)


async def link(session: AsyncSession, portal: str | None, handoff: Handoff) -> str:
    """Where people read the conversation, and answer. ``portal``: its address, where people know one."""
    if portal is None:
        return ""
    slug = (await session.execute(select(col(Tenant.slug)))).scalar_one()
    return f"{portal.rstrip('/')}/t/{slug}/inbox/{handoff.conversation_id}"


async def card(
    session: AsyncSession,
    vault: Vault,
    handoff: Handoff,
    desk: Desk,
    ring: tuple[str, ...] = (),
    *,
    portal: str | None = None,
) -> HandoffCard:
    """``ring``: the channel's ids of those who are called by it. ``portal``: as ``link`` takes it."""
    employee = await employees.serving(session, handoff.conversation_id)
    group = desk.group_for(handoff.target)
    cipher = (await vault.ciphers(session, [handoff.contact_id])).get(handoff.contact_id)
    packet = written(handoff, cipher) if cipher else Written()
    wanted = "the employee carries on" if handoff.state == "told" else "a person is needed"
    return HandoffCard(
        handoff_id=handoff.id,
        headline=f"{group.key.capitalize()}: {wanted}",
        employee=employee.name,
        contact=await naming.name(session, vault, handoff.contact_id),
        reason=reason(handoff, cipher) if cipher else "",
        priority=handoff.priority,
        summary=packet.summary,
        tried=packet.tried,
        suggestion=packet.suggestion,
        standing=_standing(handoff, desk, group.time_zone),
        state=handoff.state,  # type: ignore[arg-type]  # The database checks it.
        link=await link(session, portal, handoff),
        ring=ring,
    )


def digest(shown: HandoffCard) -> str:
    """Another one, once the card would say something else; who is called by it says nothing."""
    told = json.dumps([str(part) for part in astuple(shown)[:-1]])
    return hashlib.sha256(told.encode()).hexdigest()


def mail(handoff: Handoff, task_id: UUID, desk: Desk, people: Mapping[str, str], link: str = "") -> Mail:
    """Nothing in it that anybody said: mail goes through many hands. ``people``: addresses by key. ``link``: where the
    conversation is."""
    group = desk.group_for(handoff.target)
    since = texts.moment(handoff.created_at, group.time_zone)
    return Mail(
        message_id=uuid5(handoff.id, f"mail-{task_id}"),
        to=tuple(people.values()),
        subject=f"{group.key.capitalize()}: a person is needed",
        text=(
            f"A conversation has been waiting for a person since {since}. Priority: {handoff.priority}.\n"
            f"{_where_to_take(desk, link)}\n\n"
            f"Handoff {handoff.id}\n"
        ),
    )


def _where_to_take(desk: Desk, link: str) -> str:
    channel = " or in the hand-off channel" if desk.channel else ""
    if link:
        return f"Please take it over in the inbox{channel}: {link}"
    return f"Please take it over in the inbox of the portal{channel}."


def _standing(handoff: Handoff, desk: Desk, time_zone: str) -> str:
    name = desk.name_of(handoff.agent)
    if handoff.state == "over":
        return _ENDS.get(handoff.ended_how or "", "It is over.").format(name=name)
    if handoff.state == "owned" and handoff.claimed_at is not None:
        return f"{name} has it since {texts.moment(handoff.claimed_at, time_zone)}."
    if handoff.state == "told":
        return "Nobody need do anything, but anybody can take over."
    if handoff.progress.get("waiting", {}).get("gave_up_at"):
        return "Nobody came in time. The person was asked to say how they can be reached; it can still be taken over."
    return f"Waiting since {texts.moment(handoff.created_at, time_zone)}."
