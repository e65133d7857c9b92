"""Approvals: shown as they are, decided once and for what was shown, told once to the conversation."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from konstruct import approvals, contacts, conversations
from konstruct.approvals import ApprovalSettings, Asked
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.ports import ToolCall
from konstruct.tables import Approval
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from konstruct.tools.calls import UNKNOWN, Outcome
from tests.support.office import Office
from tests.support.workshop import (
    DAYS,
    Job,
    approval_row,
    call_row,
    define,
    is_tainted,
    job,
    over_http,
    publish,
    set_tenant,
)

REFUND: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
}


@pytest.fixture
async def turn(office: Office) -> Job:
    await define(office, "refund", over_http("https://shop.example.com/refunds", "POST", "changes", parameters=REFUND))
    await publish(office, "refund")
    return await job(office, "Refund A-17, please")


async def ask(turn: Job, order: str = "A-17", expires_in: timedelta = DAYS) -> UUID:
    kept = await turn.step(ToolCall("1", "refund", f'{{"order": "{order}", "amount": 20}}'), expires_in=expires_in)
    return kept.approvals[0]


async def find(office: Office, approval_id: UUID) -> Asked:
    async with office.session() as session:
        return await approvals.read(session, office.vault, approval_id)


async def decide(office: Office, approval_id: UUID, *, is_yes: bool, fingerprint: str = "", **more: str) -> Asked:
    fingerprint = fingerprint or (await approval_row(office, approval_id)).fingerprint
    async with office.session() as session:
        return await approvals.decide(
            session, office.vault, approval_id, is_yes=is_yes, fingerprint=fingerprint, **({"by": "slack:U9"} | more)
        )


async def settle(office: Office, approval_id: UUID) -> str:
    async with office.session() as session:
        return await approvals.settle(session, approval_id)


async def report(office: Office, approval_id: UUID) -> UUID | None:
    async with office.session() as session:
        return await approvals.report(session, office.vault, approval_id)


async def let_pass(office: Office, approval_id: UUID, **columns: timedelta) -> None:
    """As if these times had been so much earlier."""
    async with office.session() as session:
        row = await session.get_one(Approval, (office.tenant_id, approval_id))
        for name, time in columns.items():
            setattr(row, name, (getattr(row, name) or utc_now()) - time)


async def call_of(office: Office, approval_id: UUID) -> UUID:
    return (await approval_row(office, approval_id)).call_id


async def test_people_are_shown_all_of_what_is_to_be_done(turn: Job) -> None:
    approval_id = await ask(turn, "A-17 canary")
    asked = await find(turn.office, approval_id)
    assert (asked.employee, asked.tool, asked.risk, asked.state, asked.call_state) == (
        *("Ada", "refund", "changes", "waiting", "waiting"),
    )
    assert asked.arguments == '{\n  "amount": 20,\n  "order": "A-17 canary"\n}'
    assert asked.fingerprint == (await call_row(turn.office, asked.call_id)).fingerprint
    assert (asked.decided_by, asked.decided_at, asked.note, asked.cards) == (None, None, "", [])
    assert "canary" not in repr(asked)


async def test_they_are_listed_newest_first_by_page_and_state(turn: Job) -> None:
    office = turn.office
    ids = [await ask(turn, str(number)) for number in range(4)]
    await decide(office, ids[1], is_yes=False)
    other = Job(office, await office.say("Mine too", root="2.0", contact="U2"))
    erased = await ask(other)
    async with office.session() as session:
        row = await session.get_one(Approval, (office.tenant_id, erased))
        await contacts.erase(session, office.tenant_id, row.contact_id, actor="test")

    async def listed(**more: Any) -> list[int]:
        async with office.session() as session:
            return [ids.index(each.approval_id) for each in await approvals.listing(session, office.vault, **more)]

    assert await listed() == [3, 2, 1, 0]
    assert await listed(state="waiting") == [3, 2, 0]
    assert await listed(state="denied") == [1]
    assert await listed(limit=3) == [3, 2, 1]
    assert await listed(limit=2, before=ids[3]) == [2, 1]
    with pytest.raises(NotFound):
        await find(office, erased)


@pytest.mark.parametrize(("is_yes", "state", "call_state"), [(True, "approved", "ready"), (False, "denied", "denied")])
async def test_the_first_decision_counts(turn: Job, is_yes: bool, state: str, call_state: str) -> None:
    office, approval_id = turn.office, await ask(turn)
    asked = await decide(office, approval_id, is_yes=is_yes, note="Canary note")
    assert (asked.state, asked.call_state, asked.decided_by, asked.note) == (
        state,
        call_state,
        "slack:U9",
        "Canary note",
    )
    assert asked.decided_at is not None
    call = await call_row(office, asked.call_id)
    assert (call.settled_at is None) is is_yes
    for again in (True, False):
        with pytest.raises(Conflict, match=f"It was {state} by slack:U9 already."):
            await decide(office, approval_id, is_yes=again, by="slack:U10")
    assert (await find(office, approval_id)).state == state
    [event] = await office.events(f"approval.{state}")
    assert (event.actor, event.detail["tool"], event.detail["fingerprint"]) == ("slack:U9", "refund", asked.fingerprint)
    row = await approval_row(office, approval_id)
    assert b"Canary" not in (row.sealed_note or b"")
    assert "Canary" not in str(event.detail)


async def test_a_decision_is_about_what_was_shown(turn: Job) -> None:
    first, second = await ask(turn, "A"), await ask(turn, "B")
    other = (await approval_row(turn.office, second)).fingerprint
    for fingerprint in (other, "x", other[:-1]):
        with pytest.raises(Conflict, match="about something else"):
            await decide(turn.office, first, is_yes=True, fingerprint=fingerprint)
    assert (await find(turn.office, first)).state == "waiting"


async def test_nobody_decides_after_the_time(turn: Job) -> None:
    office, approval_id = turn.office, await ask(turn, expires_in=timedelta(hours=1))
    assert await settle(office, approval_id) == "waiting"
    await let_pass(office, approval_id, expires_at=timedelta(hours=1))
    with pytest.raises(Conflict, match="It has expired"):
        await decide(office, approval_id, is_yes=True)
    assert (await find(office, approval_id)).state == "waiting"
    assert await settle(office, approval_id) == "expired"
    with pytest.raises(Conflict, match="It has expired"):
        await decide(office, approval_id, is_yes=True)
    asked = await find(office, approval_id)
    assert (asked.state, asked.call_state) == ("expired", "expired")
    assert await settle(office, approval_id) == "expired"
    assert len(await office.events("approval.expired")) == 1
    assert (await call_row(office, asked.call_id)).settled_at is not None


async def test_what_was_decided_in_time_does_not_expire(turn: Job) -> None:
    approval_id = await ask(turn)
    await decide(turn.office, approval_id, is_yes=True)
    await let_pass(turn.office, approval_id, expires_at=timedelta(days=4))
    assert await settle(turn.office, approval_id) == "approved"


async def test_what_somebody_writes_is_kept_only_so_long(turn: Job) -> None:
    asked = await decide(turn.office, await ask(turn), is_yes=True, note="x" * 5_000, by="b" * 500)
    assert (len(asked.note), len(asked.decided_by or "")) == (1_000, 200)


async def test_cards_are_kept_in_order(turn: Job) -> None:
    office, approval_id = turn.office, await ask(turn)
    async with office.session() as session:
        await approvals.announced(session, approval_id, None)
    assert (await approval_row(office, approval_id)).announced_at is not None
    for number in (1, 2):
        async with office.session() as session:
            await approvals.announced(session, approval_id, {"external_id": number})
    assert [card["external_id"] for card in (await find(office, approval_id)).cards] == [1, 2]
    assert len(await office.events("approval.asked")) == 3


async def test_a_tenant_says_where_people_are_asked_and_for_how_long(office: Office) -> None:
    async with office.session() as session:
        assert await approvals.settings(session) == ApprovalSettings(None, None, (), timedelta(days=3))
    await set_tenant(
        office,
        approvals={"connection": "slack", "channel": "C9", "deciders": ["U9"], "expires_after_seconds": 90},
    )
    async with office.session() as session:
        assert await approvals.settings(session) == ApprovalSettings("slack", "C9", ("U9",), timedelta(seconds=90))


async def told(turn: Job, approval_id: UUID) -> str:
    """What the conversation is told, without the mark around data."""
    note_id = await report(turn.office, approval_id)
    assert note_id is not None
    text = (await turn.office.message(note_id)).body or ""
    assert text.startswith("The yes of a person was asked for: refund with ")
    assert text.endswith("Tell the person you talk with, in their language.")
    return text


async def test_a_no_is_told_with_its_reason(turn: Job) -> None:
    approval_id = await ask(turn)
    await decide(turn.office, approval_id, is_yes=False, note="Too late for that.")
    text = await told(turn, approval_id)
    assert "A person said no, so it was not done." in text
    assert "The person's note: Too late for that." in text
    assert '{"amount":20,"order":"A-17"}' in text


async def test_silence_is_told(turn: Job) -> None:
    approval_id = await ask(turn, expires_in=timedelta(0))
    await settle(turn.office, approval_id)
    text = await told(turn, approval_id)
    assert "Nobody decided in time, so it was not done." in text
    assert "note:" not in text


@pytest.mark.parametrize(
    ("outcome", "said", "shows"),
    [
        (Outcome("done", "Canary paid", is_untrusted=True), "It was done.", True),
        (Outcome("failed", "Canary broke", is_untrusted=True), "It was tried and failed.", True),
        (Outcome("unknown", UNKNOWN), UNKNOWN, False),
    ],
)
async def test_a_yes_is_told_with_what_came_of_it(turn: Job, outcome: Outcome, said: str, shows: bool) -> None:
    office, approval_id = turn.office, await ask(turn)
    await decide(office, approval_id, is_yes=True)
    async with office.session() as session:
        await calls.settle(session, office.vault, (await approval_row(office, approval_id)).call_id, outcome)
    text = await told(turn, approval_id)
    assert f"A person said yes.\n{said}" in text
    fingerprint = (await approval_row(office, approval_id)).fingerprint
    assert (f"<data {fingerprint}>\nCanary" in text) is shows
    assert await is_tainted(office, turn.asked) is outcome.is_untrusted


async def test_arguments_without_end_are_told_in_part(turn: Job) -> None:
    approval_id = await ask(turn, "x" * 10_000)
    await decide(turn.office, approval_id, is_yes=False)
    assert len(await told(turn, approval_id)) < approvals.LONGEST_ARGUMENTS_TOLD + 400


async def test_the_conversation_is_told_once(turn: Job) -> None:
    office, approval_id = turn.office, await ask(turn)
    await decide(office, approval_id, is_yes=False)
    first = await report(office, approval_id)
    reported_at = (await approval_row(office, approval_id)).reported_at
    assert reported_at is not None
    # The same note, so that whoever was cut off before it told the workflow can still do so.
    assert await report(office, approval_id) == first
    assert (await approval_row(office, approval_id)).reported_at == reported_at
    assert len(await office.messages("inbound")) == 2


async def test_whose_contact_was_erased_is_closed_and_never_done(turn: Job) -> None:
    office = turn.office
    waiting, approved = await ask(turn, "A"), await ask(turn, "B")
    denied = await ask(turn, "C")
    await decide(office, approved, is_yes=True, note="Canary")
    await decide(office, denied, is_yes=False)
    async with office.session() as session:
        row = await session.get_one(Approval, (office.tenant_id, waiting))
        await contacts.erase(session, office.tenant_id, row.contact_id, actor="test")

    row = await approval_row(office, waiting)
    assert (row.state, row.decided_by) == ("denied", "erasure")
    assert row.decided_at is not None
    assert [(await approval_row(office, each)).state for each in (approved, denied)] == ["approved", "denied"]
    assert [(await call_row(office, await call_of(office, each))).state for each in (waiting, approved, denied)] == [
        *("cancelled", "cancelled", "denied"),
    ]
    for approval_id in (waiting, approved, denied):
        assert await settle(office, approval_id) in ("denied", "approved")
        with pytest.raises(NotFound):
            await find(office, approval_id)
        with pytest.raises(NotFound):
            await decide(office, approval_id, is_yes=True)
        async with office.session() as session:
            call_id = await call_of(office, approval_id)
            assert await calls.begin(session, office.vault, call_id) is None
        assert await report(office, approval_id) is None
        assert (await approval_row(office, approval_id)).reported_at is not None
    assert [message.author for message in await office.messages("inbound")] == ["contact"]


async def unsettled(database: Database, office: Office) -> set[UUID]:
    return {
        each.approval_id for each in await approvals.unsettled(database, 10_000) if each.tenant_id == office.tenant_id
    }


async def test_a_sweep_finds_what_no_workflow_took_up(turn: Job, database: Database) -> None:
    office, soon = turn.office, timedelta(seconds=30)
    fresh = await ask(turn, "fresh")
    unstarted, untold, expired, waiting, reported = [await ask(turn, str(number)) for number in range(5)]
    await let_pass(office, unstarted, created_at=soon)
    for approval_id in (untold, expired, waiting):
        async with office.session() as session:
            await approvals.announced(session, approval_id, None)
        await let_pass(office, approval_id, created_at=soon)
    await decide(office, untold, is_yes=True)
    assert untold not in await unsettled(database, office)
    await let_pass(office, untold, decided_at=soon)
    await let_pass(office, expired, expires_at=timedelta(days=3) + soon)
    await decide(office, reported, is_yes=False)
    await report(office, reported)
    await let_pass(office, reported, decided_at=soon, created_at=soon)

    assert await unsettled(database, office) == {unstarted, untold, expired}
    assert fresh not in await unsettled(database, office)
    for approval_id in (unstarted, untold):
        async with office.session() as session:
            await approvals.note_swept(session, approval_id)
    assert await unsettled(database, office) == {expired}
    await let_pass(office, untold, swept_at=timedelta(minutes=11))
    assert await unsettled(database, office) == {untold, expired}


async def test_what_an_erasure_closed_is_found_by_a_sweep_and_so_its_workflow_ends(
    turn: Job, database: Database
) -> None:
    office, approval_id = turn.office, await ask(turn)
    async with office.session() as session:
        await approvals.announced(session, approval_id, None)
        row = await session.get_one(Approval, (office.tenant_id, approval_id))
        await contacts.erase(session, office.tenant_id, row.contact_id, actor="test")
    await let_pass(office, approval_id, decided_at=timedelta(seconds=30))
    assert await unsettled(database, office) == {approval_id}
    await report(office, approval_id)
    assert await unsettled(database, office) == set()


async def test_there_is_no_such_approval(office: Office) -> None:
    async with office.session() as session:
        for attempt in (
            approvals.get(session, new_id()),
            approvals.read(session, office.vault, new_id()),
            approvals.settle(session, new_id()),
            approvals.announced(session, new_id(), None),
            approvals.note_swept(session, new_id()),
            approvals.report(session, office.vault, new_id()),
        ):
            with pytest.raises(NotFound, match="There is no such approval"):
                await attempt


async def test_a_note_that_is_answered_may_follow_what_strangers_wrote(turn: Job) -> None:
    """The call was settled by a worker that died before it had marked the conversation."""
    office, approval_id = turn.office, await ask(turn)
    await decide(office, approval_id, is_yes=True)
    async with office.session() as session:
        call = await calls.get(session, await call_of(office, approval_id), lock=True)
        call.state, call.is_untrusted = "failed", True
    await report(office, approval_id)
    assert await is_tainted(office, turn.asked)
    async with office.session() as session:
        before = (await conversations.lock(session, turn.asked.conversation_id)).untrusted_at
    await report(office, approval_id)
    async with office.session() as session:
        assert (await conversations.lock(session, turn.asked.conversation_id)).untrusted_at == before
