"""Two conversations of the rich business that people have: one of the owner's, one that waits, for the open inbox."""

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from konstruct.desk import people
from konstruct.errors import ChannelRefused
from konstruct.handoffs import cards, entries, owning
from konstruct.handoffs.cards import Written
from konstruct.handoffs.entries import Origin
from konstruct.handoffs.owning import Agent
from konstruct.identity import ConnectionId, new_id
from konstruct.outbox import settle_refused
from konstruct.tables import Conversation, Handoff, Message, Step, ToolCall
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from tests.support.handoffs import a_wish, claim, hand_off, note, write
from tests.support.members import Enrolled
from tests.support.office import Office

PHONE: Final = "351915550173"
_FOUND: Final = json.dumps({"order": "1042", "state": "in transit", "carrier": "CTT", "expected": "unknown"})
_PACKET: Final = Written(
    "Marta ordered a city bike (order 1042) eight days ago. It left the warehouse on Monday and has not arrived; the"
    " carrier does not say when it will. She needs it on Saturday for a trip and is losing patience.",
    "look_up_order: done\nAsked her for the order number.\nTold her what the carrier says.",
    "Hello Marta, I am Ana from Acme Bikes. I have your order 1042 in front of me and am calling the carrier now. You"
    " hear from me within the hour, and if it cannot be there by Friday we lend you a bike for the weekend.",
)


async def _pane(office: Office, owner: Enrolled, whatsapp: UUID) -> UUID:
    """One on WhatsApp that the owner has, with everything in it; its id."""
    there = replace(office, connection_id=ConnectionId(whatsapp))
    where: dict[str, Any] = {"root": PHONE, "channel": PHONE, "contact": PHONE}
    asked = await there.say("Hello! Where is my bike? Order 1042.", **where)
    [reply] = await there.answer(asked, "It left our warehouse on Monday. I will look where it is now.")
    await there.begin_send(asked, reply)
    await there.settle_sent(asked, reply)
    await _looked_up(office, asked.conversation_id)
    await there.say("That is what you said on Tuesday. I need it on Saturday!", **where)
    handoff_id = await hand_off(
        office, asked, a_wish("The contact is upset and asked for a person.", rule="is-upset", priority="high")
    )
    async with office.session() as session:
        me = await owning.agent(session, await people.agent_key(session, owner.user_id, owner.email))
    await _packed(office, handoff_id)
    await claim(office, handoff_id, me)
    await there.say("Is anybody there?", **where)
    await note(office, handoff_id, "Second delay with this carrier this month. Be generous.", me)
    await _said(there, handoff_id, me)
    async with office.session() as session:
        entry_id = await entries.ask(session, handoff_id, me, "draft", Origin("portal", str(new_id())))
        await entries.fill(
            *(session, office.vault, entry_id),
            "Thank you for waiting, Marta. The carrier brings it tomorrow between nine and noon.",
        )
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        conversation.contact_said_at = utc_now() - timedelta(hours=22, minutes=40)
    return asked.conversation_id


async def _said(there: Office, handoff_id: UUID, me: Agent) -> None:
    """Replies that came as far as each can come."""
    texts = (
        "Hello Marta, I am Ana from Acme Bikes. I have your order in front of me.",
        "I am calling the carrier now.",
        "You hear from me within the hour.",
        "Here is the way to our shop, if you want to borrow one.",
        "It is on its way, tomorrow before noon.",
        "I have asked the carrier, and tell you what they say.",
    )
    for place, text in enumerate(texts):
        written = await write(there, handoff_id, text, me)
        [message_id] = written.message_ids
        async with there.session() as session:
            message = await session.get_one(Message, (there.tenant_id, message_id))
            if place < 3:
                message.state, message.settled_at = "sent", utc_now()
                message.external_id = f"wamid.{message_id}"
                message.delivered_at = utc_now() if place < 2 else None
                message.read_at = utc_now() if place < 1 else None
            elif place == 3:
                message.state = "sending"
            elif place == 5:
                # The employee's, which was on its way when somebody took over.
                message.author, message.state, message.maybe_duplicate = "employee", "discarded", True
        if place == 3:
            async with there.session() as session:
                refused = ChannelRefused("No.", "131026")
                await settle_refused(session, written.conversation_id, message_id, refused)


async def _packed(office: Office, handoff_id: UUID) -> None:
    async with office.session() as session:
        handoff = await session.get_one(Handoff, (office.tenant_id, handoff_id))
        cipher = await office.vault.cipher(session, office.tenant_id, handoff.contact_id)
        handoff.sealed_packet = cipher.seal(cards.PACKET, handoff.id, json.dumps(asdict(_PACKET)))


async def _looked_up(office: Office, conversation_id: UUID) -> None:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, conversation_id))
        cipher = await office.vault.cipher(session, office.tenant_id, conversation.contact_id)
        turn_id = await session.scalar(
            select(Message.turn_id)
            .where(col(Message.conversation_id) == conversation_id, col(Message.turn_id).is_not(None))
            .limit(1)
        )
        of: dict[str, Any] = {
            "tenant_id": office.tenant_id,
            "conversation_id": conversation_id,
            "contact_id": conversation.contact_id,
            "turn_id": turn_id,
        }
        session.add(Step(**of, number=0, after_seq=1, link="anthropic/claude-sonnet-4-6"))
        await session.flush()
        call_id = new_id()
        session.add(
            ToolCall(
                **of,
                id=call_id,
                step=0,
                position=0,
                model_call_id="call_0",
                tool="look_up_order",
                risk="reads",
                sealed_arguments=cipher.seal(calls.ARGUMENTS, call_id, json.dumps({"order": "1042"})),
                fingerprint=cipher.fingerprint("look_up_order"),
                state="done",
                sealed_result=cipher.seal(calls.RESULT, call_id, _FOUND),
                is_untrusted=True,
                attempts=1,
                settled_at=utc_now(),
            )
        )
