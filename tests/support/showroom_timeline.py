"""One conversation of the rich business in which everything happened that can, for the pages that show all of it."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from konstruct import approvals, audit, consults
from konstruct.errors import ChannelRefused
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.outbox import settle_refused
from konstruct.tables import Approval, Conversation, Judgement, Rating, Step, ToolCall, Usage
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from tests.support import approvals as approvals_of
from tests.support import consults as consults_of
from tests.support.handoffs import a_wish, claim, hand_back, hand_off, note, write
from tests.support.members import Enrolled
from tests.support.office import Office

CHIARA: Final = Agent("chiara-rossi", "Chiara Rossi")
_LOOKED_UP: Final = json.dumps({"order": "1042", "state": "lost in transit", "refundable": True})


async def _timeline(office: Office, owner: Enrolled) -> tuple[UUID, UUID]:
    """A lost parcel: looked up, asked about, handed off, answered by a person, handed back, and rated.

    Its conversation, and an approval of another one that waits.
    """
    asked = await office.exchange(
        "My parcel 1042 never came. Can you look where it is?",
        "It was lost on the way. I am asking whether it may be refunded.",
        root="lost-parcel",
        contact="U7",
    )
    conversation_id = asked.conversation_id
    turn_id = (await office.messages("outbound"))[-1].turn_id
    assert turn_id is not None
    await _thought(office, conversation_id, turn_id)
    await _refund(office, owner, conversation_id, turn_id)
    await _consult(office, conversation_id)
    handoff_id = await hand_off(
        office, asked, a_wish("They are angry, and want to talk to a person.", rule="is-angry", target="front-desk")
    )
    await office.say("This is the third time! I want a person.", root="lost-parcel", contact="U7")
    await claim(office, handoff_id, CHIARA)
    await note(office, handoff_id, "The carrier confirmed by phone that it is lost. Refund is fine.", CHIARA)
    written = await write(office, handoff_id, "I am sorry. Your refund is booked, and is there on Monday.", CHIARA)
    for message_id in written.message_ids:
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    await hand_back(office, handoff_id, CHIARA, note="Refunded.")
    await _failed(office, conversation_id)
    waiting = await approvals_of.ask(office, {"order": "A-17", "amount": "20.00", "currency": "EUR"}, contact="U8")
    await consults_of.ask(office, "May I promise delivery before Friday?", colleague="chiara-rossi", contact="U8")
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, conversation_id))
        rating = Rating(
            tenant_id=office.tenant_id,
            conversation_id=conversation_id,
            contact_id=conversation.contact_id,
            employee_id=conversation.employee_id,
            agent=CHIARA.key,
            score=4,
            answered_at=utc_now(),
        )
        session.add(rating)
        of: dict[str, Any] = {"tenant_id": office.tenant_id, "conversation_id": conversation_id}
        audit.record(session, **of, actor="runtime", action="rating.asked", rating_id=str(rating.id))
        audit.record(session, **of, actor="contact", action="rating.given", rating_id=str(rating.id), score=4)
    return conversation_id, waiting.approval_id


async def _thought(office: Office, conversation_id: UUID, turn_id: UUID) -> None:
    """The models that were asked, one of which did not answer, and what was judged and fired."""
    of: dict[str, Any] = {
        "tenant_id": office.tenant_id,
        "conversation_id": conversation_id,
        "employee_id": office.employee_id,
        "turn_id": turn_id,
    }
    began = utc_now()
    async with office.session() as session:
        for place, (provider, model, outcome, purpose, tokens_in, tokens_out, cost, took) in enumerate(
            (
                ("anthropic", "claude-sonnet-4-6", "failed", "reply", 1_890, 0, "0.00567", 9_400),
                ("openai", "gpt-5.2-mini", "ok", "reply", 1_902, 64, "0.00214", 1_320),
                ("openai", "gpt-5.2-mini", "ok", "judge", 640, 31, "0.00031", 480),
            )
        ):
            session.add(
                Usage(
                    **of,
                    provider=provider,
                    model=model,
                    input_tokens=tokens_in,
                    output_tokens=tokens_out,
                    cached_tokens=1_200 if outcome == "ok" and purpose == "reply" else 0,
                    cost=Decimal(cost),
                    latency_ms=took,
                    first_token_ms=210 if outcome == "ok" else None,
                    outcome=outcome,
                    purpose=purpose,
                    error="overloaded" if outcome == "failed" else None,
                    created_at=began + timedelta(milliseconds=place),
                )
            )
        session.add(
            Judgement(
                tenant_id=office.tenant_id,
                turn_id=turn_id,
                conversation_id=conversation_id,
                asked_for_human=True,
                has_failed=True,
                mood="angry",
                outside_policy=False,
                topics=["refund"],
                confidence=0.62,
            )
        )
        audit.record(
            session,
            tenant_id=office.tenant_id,
            conversation_id=conversation_id,
            actor="employee",
            action="rule.fired",
            turn_id=str(turn_id),
            rule="is-angry",
            then="hand_off",
        )
        audit.record(
            session,
            tenant_id=office.tenant_id,
            conversation_id=conversation_id,
            actor="memory",
            action="memory.learned",
            facts=[str(new_id()), str(new_id())],
        )


async def _refund(office: Office, owner: Enrolled, conversation_id: UUID, turn_id: UUID) -> None:
    """What was looked up, and a refund to which the owner said yes."""
    approval_id = new_id()
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, conversation_id))
        contact_id = conversation.contact_id
        cipher = await office.vault.cipher(session, office.tenant_id, contact_id)
        of: dict[str, Any] = {
            "tenant_id": office.tenant_id,
            "conversation_id": conversation_id,
            "contact_id": contact_id,
        }
        session.add(Step(**of, turn_id=turn_id, number=0, after_seq=1, link="openai/gpt-5.2-mini"))
        await session.flush()
        made: list[ToolCall] = []
        for position, (tool, risk, state, arguments) in enumerate(
            (
                ("look_up_order", "reads", "done", {"order": "1042"}),
                ("refund_order", "changes", "waiting", {"order": "1042", "amount": "129.00", "currency": "EUR"}),
            )
        ):
            call_id, text = new_id(), json.dumps(arguments)
            made.append(
                ToolCall(
                    **of,
                    id=call_id,
                    turn_id=turn_id,
                    step=0,
                    position=position,
                    model_call_id=f"call_{position}",
                    tool=tool,
                    risk=risk,
                    sealed_arguments=cipher.seal(calls.ARGUMENTS, call_id, text),
                    fingerprint=cipher.fingerprint(f"{tool}|{text}"),
                    state=state,
                    sealed_result=cipher.seal(calls.RESULT, call_id, _LOOKED_UP) if state == "done" else None,
                    is_untrusted=state == "done",
                    attempts=1 if state == "done" else 0,
                    started_at=utc_now() - timedelta(milliseconds=420) if state == "done" else None,
                    settled_at=utc_now() if state == "done" else None,
                )
            )
        session.add_all(made)
        await session.flush()
        session.add(
            Approval(
                **of,
                id=approval_id,
                call_id=made[1].id,
                tool="refund_order",
                risk="changes",
                reason="It moves money.",
                fingerprint=made[1].fingerprint,
                expires_at=utc_now() + timedelta(days=3),
            )
        )
    async with office.session() as session:
        await approvals.announced(session, approval_id, None)
        await approvals.decide(
            *(session, office.vault, approval_id),
            is_yes=True,
            fingerprint=made[1].fingerprint,
            by=owner.actor,
            note="Lost by the carrier: refund it.",
        )


async def _consult(office: Office, conversation_id: UUID) -> None:
    async with office.session() as session:
        call = (await session.scalars(select(ToolCall).where(col(ToolCall.tool) == "look_up_order"))).one()
        asked = await consults.ask(session, office.vault, call, "ben", "Did the carrier find parcel 1042 after all?")
    async with office.session() as session:
        await consults.answer(
            session, office.vault, asked.consult_id, Agent("ben", "Ben"), "No. They closed the search on Friday."
        )


async def _failed(office: Office, conversation_id: UUID) -> None:
    """A message that the channel did not take."""
    asked = await office.say("Thanks! When exactly?", root="lost-parcel", contact="U7")
    [message_id] = await office.answer(asked, "On Monday before noon.")
    await office.begin_send(asked, message_id)
    async with office.session() as session:
        await settle_refused(session, conversation_id, message_id, ChannelRefused("not_in_channel", "not_in_channel"))
