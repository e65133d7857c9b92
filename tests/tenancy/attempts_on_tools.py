"""What one tenant may try on another's tools, calls of them and approvals; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import approvals, conversations, employees, equipping, manifest, messages, notices, usage, withdrawing
from konstruct.errors import Conflict, Misconfigured, NotFound
from konstruct.memory import asking as asking_of_memory
from konstruct.messages import SentFile
from konstruct.ports import ToolCall
from konstruct.tables import Conversation, Message, Tool, Usage
from konstruct.tables import ToolCall as CallRow
from konstruct.tools import asking, calls, defining, earlier, registry, sending
from konstruct.tools.builtin import SEND_FILE
from konstruct.tools.calls import Kept, Outcome, PastCall, PastStep
from konstruct.vault import Vault
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Furnished, Office
from tests.support.workshop import at_server, define, job, offered, over_http, publish
from tests.tenancy.attempts_over_the_api import approval_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

SERVER: Final = "crm"
"""A server that every tenant has under this name."""


def own_key(office: Furnished) -> str:
    """Of a tool that no other tenant has."""
    return f"look-{office.tenant_id}"


def token_of(office: Office) -> str:
    return f"canary-{office.tenant_id}"


def offer_of(office: Furnished) -> str:
    return f"Finds customers of {office.tenant_id}."


async def equip(office: Furnished) -> None:
    """With a tool and a server, which offers something else than at first, and a turn that has used them: one call gave
    more than is shown at once, and one is yet to be made."""
    await define(office, own_key(office), over_http("https://shop.example.com/orders"))
    server_id = await define(office, SERVER, at_server("https://crm.example.com/mcp"), token_of(office))
    async with office.session() as session:
        found = offered("find_customer", offer_of(office))
        await defining.keep_listing(session, server_id, [found, offered("list_orders")])
        await defining.keep_listing(session, server_id, [found, offered("list_orders", digest=str(office.tenant_id))])
        # Asked just now: no test that asks all servers is to ask this one.
        await defining.note_looked(session, server_id)
    await publish(office, own_key(office), f"{SERVER}/find_customer")
    turn = await job(office, "Canary to look for", root="4.0")
    kept = await turn.step(*(ToolCall(f"call_{place}", own_key(office), "{}") for place in range(2)))
    async with office.session() as session:
        long = Outcome("done", "Canary " * 3_000, is_untrusted=True)
        await calls.settle(session, office.vault, kept.calls[0].call_id, long)


async def call_of(b: Furnished, state: str = "ready") -> CallRow:
    async with b.session() as theirs:
        return (await theirs.scalars(select(CallRow).where(CallRow.state == state))).one()


async def _tool_of(b: Furnished, key: str) -> Tool:
    async with b.session() as theirs:
        return await defining.called(theirs, key)


async def _conversation_of(b: Furnished) -> Conversation:
    async with b.session() as theirs:
        return await theirs.get_one(Conversation, (b.tenant_id, (await call_of(b)).conversation_id))


async def _announced(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await approvals.announced(session, (await approval_of(b)).id, {"channel": "C1"})


async def _get_approval(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await approvals.get(session, (await approval_of(b)).id)


async def _note_approval_swept(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await approvals.note_swept(session, (await approval_of(b)).id)


async def _report(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await approvals.report(session, a.vault, (await approval_of(b)).id)


async def _settle_approval(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await approvals.settle(session, (await approval_of(b)).id)


async def _waiting(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await asking.waiting(session, (await approval_of(b)).conversation_id)


async def _asker(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await conversations.asker(session, a.vault, await _conversation_of(b), (await call_of(b)).turn_id)


async def _is_untrusted(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    call = await call_of(b)
    async with b.session() as theirs:
        of_turn = list(await theirs.scalars(select(Message.id).where(Message.turn_id == call.turn_id)))
        assert await conversations.is_untrusted(theirs, of_turn)
    return await conversations.is_untrusted(session, of_turn)


async def _mark_untrusted(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await conversations.mark_untrusted(session, b.asked.conversation_id)


async def _stored_reply(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    turn_id = (await b.message(b.reply_id)).turn_id
    assert turn_id is not None
    async with b.session() as theirs:
        assert await messages.stored_reply(theirs, turn_id)
    return await messages.stored_reply(session, turn_id)


async def _spent(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        turn_id = (await theirs.scalars(select(Usage.turn_id))).one()
        assert await usage.spent(theirs, turn_id)
    return await usage.spent(session, turn_id)


async def _equip(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    text = """\
tenant: thief
name: Thief
employees: {eve: {name: Eve, role: Thief, system_prompt: Steal.}}
tools: {stolen: {kind: http, description: Steals., url: "https://thief.example.com/"}}
"""
    read = manifest.parse(text, "thief.yaml", {})
    return await equipping.equip(session, Vault((ENCRYPTION_KEY,)), read, b.tenant_id, "a")


async def _add_note(session: AsyncSession, a: Furnished, b: Furnished, *, contact_id: UUID) -> object:
    return await notices.add_note(session, a.vault, await _conversation_of(b), contact_id, "Not yours", "note-1")


async def _keep_fact(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    call = await call_of(b)
    return await asking_of_memory.keep_fact(
        session, a.vault, call.conversation_id, call.turn_id, call.contact_id, "Not yours"
    )


async def _begin(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await calls.begin(session, a.vault, (await call_of(b)).id)


async def _cancel_turn(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await withdrawing.cancel_turn(session, (await call_of(b)).turn_id, "a")


async def _cancel_undecided(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await withdrawing.cancel_undecided(session, (await call_of(b)).conversation_id)


async def _get_call(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await calls.get(session, (await call_of(b)).id, lock=True)


async def _put_back(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await calls.put_back(session, (await call_of(b)).id)


async def _settle(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await calls.settle(session, a.vault, (await call_of(b)).id, Outcome("done", "Not yours", is_untrusted=True))


async def _of_turn(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await calls.of_turn(session, a.vault, (await call_of(b)).turn_id)


async def _stored_step(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await calls.stored_step(session, (await call_of(b)).turn_id, 0)


async def _keep_step(session: AsyncSession, a: Furnished, b: Furnished, *, at: Furnished) -> object:
    return await calls.keep_step(
        session,
        a.vault,
        (await call_of(at)).conversation_id,
        (await call_of(b)).turn_id,
        1,
        text="Not yours",
        link="openai/gpt",
        after_seq=1,
        proposals=[],
        expires_after=timedelta(days=1),
    )


async def _whole_result(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    call = await call_of(b, "done")
    async with b.session() as theirs:
        assert await earlier.whole_result(theirs, b.vault, call.conversation_id, call.id)
    return await earlier.whole_result(session, a.vault, call.conversation_id, call.id)


async def _searches_before(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    call = await call_of(b)
    async with b.session() as theirs:
        assert await earlier.searches_before(theirs, call, call.tool) == 1
    return await earlier.searches_before(session, call, call.tool)


async def _begin_sending(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await sending.begin(session, a.vault, await call_of(b))


async def _take_along(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    call = await call_of(b, "done")
    file = sending.made_ready(SentFile("Canary.txt", "text/plain", 1))
    made = PastCall(call.id, "call_0", SEND_FILE, "{}", "", "done", "", is_untrusted=False, sources=[file])
    steps = [PastStep(0, "", 1, (made,))]
    return await sending.take_along(session, a.vault, call.conversation_id, call.turn_id, steps)


async def _accept(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    """Both have a server of this name, which offers each something else than it did."""
    await defining.accept(session, SERVER, "list_orders", f"list_orders-{b.tenant_id}", "a")


async def _named(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return (await defining.called(session, SERVER)).tenant_id == a.tenant_id


async def _get_tool(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await defining.get(session, (await _tool_of(b, SERVER)).id)


async def _keep_listing(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await defining.keep_listing(session, (await _tool_of(b, SERVER)).id, [offered("steal")])


async def _mark(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await defining.mark(session, (await _tool_of(b, SERVER)).id, "down", "Not yours")


async def _note_looked(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await defining.note_looked(session, (await _tool_of(b, SERVER)).id)


async def _put(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    definition = at_server("https://thief.example.com/mcp")
    return await defining.put(session, Vault((ENCRYPTION_KEY,)), b.tenant_id, "stolen", definition, "a")


async def _secrets(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    # A vault that has not yet opened anything for them, as in a process that serves us alone.
    return await defining.secrets(session, Vault((ENCRYPTION_KEY,)), await _tool_of(b, SERVER))


async def _listing(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    listed = {each.description for each in await registry.listing(session) if each.name == f"{SERVER}/find_customer"}
    return listed == {offer_of(a)}


async def _toolbox(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Their employee has a tool of a server that both have."""
    async with b.session() as theirs:
        version = await employees.serving(theirs, b.asked.conversation_id)
        assert {tool.kind for tool in (await registry.toolbox(theirs, version)).values()} >= {"http", "mcp"}
    toolbox = await registry.toolbox(session, version)
    return {tool.tool_id for tool in toolbox.values() if tool.tool_id} == {(await _tool_of(a, SERVER)).id}


ON_TOOLS: dict[str, tuple[Attempt, object]] = {
    "approvals.announced": (_announced, NotFound),
    "approvals.get": (_get_approval, NotFound),
    "approvals.note_swept": (_note_approval_swept, NotFound),
    "approvals.report": (_report, NotFound),
    "approvals.settle": (_settle_approval, NotFound),
    "conversations.asker": (_asker, None),
    "conversations.is_untrusted": (_is_untrusted, False),
    "conversations.mark_untrusted": (_mark_untrusted, NotFound),
    "employees.serving": (lambda s, a, b: employees.serving(s, b.asked.conversation_id), NotFound),
    "equipping.equip": (_equip, ValueError),
    "messages.stored_reply": (_stored_reply, []),
    "memory.asking.forget_memories": (
        lambda s, a, b: asking_of_memory.forget_memories(s, b.contact_id, [b.fact_id]),
        (0, []),
    ),
    "memory.asking.forget_memories of b's by our contact": (
        lambda s, a, b: asking_of_memory.forget_memories(s, a.contact_id, [b.fact_id]),
        (0, []),
    ),
    "memory.asking.keep_fact": (_keep_fact, NotFound),
    "notices.add_note": (lambda s, a, b: _add_note(s, a, b, contact_id=b.contact_id), None),
    "notices.add_note for our contact": (lambda s, a, b: _add_note(s, a, b, contact_id=a.contact_id), DBAPIError),
    "tools.asking.waiting": (_waiting, set()),
    "tools.calls.begin": (_begin, NotFound),
    "withdrawing.cancel_turn": (_cancel_turn, None),
    "withdrawing.cancel_undecided": (_cancel_undecided, None),
    "tools.calls.get": (_get_call, NotFound),
    "tools.calls.keep_step": (lambda s, a, b: _keep_step(s, a, b, at=b), NotFound),
    "tools.calls.keep_step of a turn of b": (lambda s, a, b: _keep_step(s, a, b, at=a), Kept("superseded")),
    "tools.calls.of_turn": (_of_turn, []),
    "tools.calls.put_back": (_put_back, NotFound),
    "tools.calls.settle": (_settle, NotFound),
    "tools.calls.stored_step": (_stored_step, None),
    "tools.defining.accept": (_accept, Conflict),
    "tools.defining.called": (_named, True),
    "tools.defining.called with a key of b": (lambda s, a, b: defining.called(s, own_key(b)), NotFound),
    "tools.defining.get": (_get_tool, NotFound),
    "tools.defining.keep_listing": (_keep_listing, NoResultFound),
    "tools.defining.mark": (_mark, None),
    "tools.defining.note_looked": (_note_looked, NotFound),
    "tools.defining.put": (_put, DBAPIError),
    "tools.defining.remove": (lambda s, a, b: defining.remove(s, own_key(b), "a"), NotFound),
    "tools.defining.secrets": (_secrets, Misconfigured),
    "tools.earlier.searches_before": (_searches_before, 0),
    "tools.earlier.whole_result": (_whole_result, None),
    "tools.sending.begin": (_begin_sending, NotFound),
    "tools.sending.take_along": (_take_along, NotFound),
    "tools.registry.listing": (_listing, True),
    "tools.registry.toolbox": (_toolbox, True),
    "usage.spent": (_spent, Decimal(0)),
    "withdrawing.withdraw": (lambda s, a, b: withdrawing.withdraw(s, [b.contact_id]), None),
}
