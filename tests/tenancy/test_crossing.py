"""Every function of the core, tried by one tenant on what another one has."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, update

import konstruct
from konstruct import (
    asked,
    audit,
    connections,
    conversations,
    db,
    employees,
    inbox,
    manifest,
    messages,
    notices,
    outbox,
    temporal,
    tenants,
    usage,
    withdrawing,
)
from konstruct.audit import exporting, sealing
from konstruct.audit.signing import Signatures
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import ChannelRefused, Conflict, Misconfigured, NotFound
from konstruct.identity import new_id
from konstruct.inbox import Inbound
from konstruct.models import ModelCall
from konstruct.ports import Tokens
from konstruct.tables import Connection, Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Allowing, Furnished
from tests.tenancy.attempts_on_accounts import ON_ACCOUNTS
from tests.tenancy.attempts_on_api import ON_API
from tests.tenancy.attempts_on_budgets import ON_BUDGETS
from tests.tenancy.attempts_on_changes import ON_CHANGES
from tests.tenancy.attempts_on_connecting import ON_CONNECTING
from tests.tenancy.attempts_on_consults import ON_CONSULTS
from tests.tenancy.attempts_on_designs import ON_DESIGNS
from tests.tenancy.attempts_on_escalation import ON_ESCALATION
from tests.tenancy.attempts_on_factors import ON_FACTORS
from tests.tenancy.attempts_on_files import ON_FILES
from tests.tenancy.attempts_on_handoffs import ON_HANDOFFS
from tests.tenancy.attempts_on_inbox import ON_INBOX
from tests.tenancy.attempts_on_knowledge import ON_KNOWLEDGE
from tests.tenancy.attempts_on_memory import ON_MEMORY
from tests.tenancy.attempts_on_money import ON_MONEY
from tests.tenancy.attempts_on_offers import ON_OFFERS
from tests.tenancy.attempts_on_onboarding import ON_ONBOARDING
from tests.tenancy.attempts_on_plans import ON_PLANS
from tests.tenancy.attempts_on_rehearsals import ON_REHEARSALS
from tests.tenancy.attempts_on_reports import ON_REPORTS
from tests.tenancy.attempts_on_satisfaction import ON_SATISFACTION
from tests.tenancy.attempts_on_settings import ON_SETTINGS
from tests.tenancy.attempts_on_streams import ON_STREAMS
from tests.tenancy.attempts_on_the_open import ON_THE_OPEN
from tests.tenancy.attempts_on_timeline import ON_TIMELINE
from tests.tenancy.attempts_on_tools import ON_TOOLS
from tests.tenancy.attempts_on_trail import ON_TRAIL
from tests.tenancy.attempts_on_whatsapp import ON_WHATSAPP
from tests.tenancy.attempts_on_words import ON_WORDS
from tests.tenancy.attempts_over_the_api import OVER_THE_API
from tests.tenancy.conftest import Snapshot

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

REFUSED = ChannelRefused("It is archived.", "is_archived")


async def _record_usage(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        version = await employees.serving(theirs, b.asked.conversation_id)
    call = ModelCall("openai/gpt", "openai", "gpt", "ok", utc_now(), tokens=Tokens(1, 1), cost=Decimal(1))
    usage.record(session, version, b.asked.conversation_id, new_id(), [call])
    await session.flush()


async def _record_audit(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    audit.record(session, tenant_id=b.tenant_id, actor="a", action="turn.answered")


async def _export(session: AsyncSession, a: Furnished, b: Furnished) -> set[str]:
    signatures = Signatures((ENCRYPTION_KEY,))
    filters = audit.Filters(conversation_id=b.asked.conversation_id)
    lines = [json.loads(line) async for line in exporting.export(session, b.tenant_id, signatures, filters)]
    return {line["kind"] for line in lines}


async def _note_anchored(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await sealing.note_anchored(session, [1])


async def _unanchored(session: AsyncSession, a: Furnished, b: Furnished) -> set[UUID]:
    return {seal.tenant_id for seal in await sealing.unanchored(session)} - {a.tenant_id}


async def _before_commit(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async def steal(last: AsyncSession) -> None:
        await last.execute(update(Message).where(col(Message.id) == b.reply_id).values(body="Not yours"))

    db.before_commit(session, steal)


async def _after_commit(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    # By then the transaction is over, and with it whatever could be changed.
    db.after_commit(session, lambda: None)


async def _settle_asked(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        reply = await theirs.get_one(Message, (b.tenant_id, b.reply_id))
    for state in ("answered", "failed"):
        await asked.settle(session, reply.turn_id, "reply", state)


async def _unseal(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        connection = await theirs.get_one(Connection, (b.tenant_id, b.connection_id))
    # A vault that has not yet opened anything for them, as in a process that serves us alone.
    return await connections.unsealed(session, Vault((ENCRYPTION_KEY,)), connection)


async def _write_as(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        conversation = await theirs.get_one(Conversation, (b.tenant_id, b.asked.conversation_id))
    session.add(messages.outgoing_notice(conversation, "Not yours"))
    await session.flush()


async def _install(session: AsyncSession, a: Furnished, b: Furnished, *, tenant: Furnished, account: str) -> object:
    return await connections.install(
        session,
        a.vault,
        tenant.tenant_id,
        key="other",
        kind="slack",
        account=account,
        external={},
        secrets={"bot_token": SecretStr("xoxb-stolen")},
        employee_key="ada",
        actor="a",
    )


# What is tried in a session of tenant a on things of tenant b, and what must come of it: an error or an answer.
ATTEMPTS: dict[str, tuple[Attempt, object]] = {
    "audit.recording.record": (_record_audit, ValueError),
    "audit.finding.find": (lambda s, a, b: audit.find(s, conversation_id=b.asked.conversation_id), []),
    "audit.exporting.export": (_export, {exporting.KIND}),
    "audit.sealing.note_anchored": (_note_anchored, None),
    "audit.sealing.unanchored": (_unanchored, set()),
    "db.before_commit": (_before_commit, None),
    "db.after_commit": (_after_commit, None),
    "asked.settle": (_settle_asked, None),
    "connections.open_account": (lambda s, a, b: connections.open_account(s, a.vault, b.connection_id), NotFound),
    "connections.mark": (
        lambda s, a, b: connections.mark(s, b.connection_id, status="revoked", reason="x", actor="a"),
        NotFound,
    ),
    "connections.install": (lambda s, a, b: _install(s, a, b, tenant=a, account=b.account), Conflict),
    "connections.install for b": (lambda s, a, b: _install(s, a, b, tenant=b, account="-/TNEW"), DBAPIError),
    "connections.unsealed": (_unseal, Misconfigured),
    "conversations.begin_turn": (
        lambda s, a, b: conversations.begin_turn(s, a.vault, b.waiting.conversation_id, new_id()),
        NotFound,
    ),
    "conversations.finish_turn": (
        lambda s, a, b: conversations.finish_turn(s, a.vault, b.asked.conversation_id, new_id(), ["x"]),
        NotFound,
    ),
    "notices.add_notice": (
        lambda s, a, b: notices.add_notice(s, b.asked.conversation_id, new_id(), "x"),
        NotFound,
    ),
    "withdrawing.abandon": (
        lambda s, a, b: withdrawing.abandon(s, b.waiting.conversation_id, [b.waiting.message_id], "stopped"),
        NotFound,
    ),
    "withdrawing.abandon with messages of b": (
        lambda s, a, b: withdrawing.abandon(s, a.waiting.conversation_id, [b.waiting.message_id], "stopped"),
        set(),
    ),
    "conversations.lock": (lambda s, a, b: conversations.lock(s, b.asked.conversation_id), NotFound),
    "conversations.whereabouts": (
        lambda s, a, b: conversations.whereabouts(s, a.vault, b.asked.conversation_id),
        NotFound,
    ),
    "employees.opening": (lambda s, a, b: employees.opening(s, b.connection_id), NoResultFound),
    "inbox.conversation_at": (lambda s, a, b: inbox.conversation_at(s, b.connection_id, "C1", "1.0"), None),
    "messages.outgoing_notice": (_write_as, DBAPIError),
    "inbox.accept": (
        lambda s, a, b: inbox.accept(
            a.database,
            a.vault,
            Allowing(),
            ConnectionRef(a.tenant_id, b.connection_id),
            Inbound("C1", "1.0", "m1", "U1", "x"),
        ),
        IntegrityError,
    ),
    "outbox.begin_send": (
        lambda s, a, b: outbox.begin_send(s, a.vault, b.asked.conversation_id, b.reply_id),
        NotFound,
    ),
    "outbox.begin_send of a message of b": (
        lambda s, a, b: outbox.begin_send(s, a.vault, a.asked.conversation_id, b.reply_id),
        NotFound,
    ),
    "outbox.settle_sent": (
        lambda s, a, b: outbox.settle_sent(s, b.asked.conversation_id, b.reply_id, "x", was_resent=False),
        NotFound,
    ),
    "outbox.settle_sent of a message of b": (
        lambda s, a, b: outbox.settle_sent(s, a.asked.conversation_id, b.reply_id, "x", was_resent=False),
        NotFound,
    ),
    "outbox.settle_unsent": (
        lambda s, a, b: outbox.settle_unsent(s, b.asked.conversation_id, b.reply_id),
        NotFound,
    ),
    "outbox.settle_refused": (
        lambda s, a, b: outbox.settle_refused(s, b.asked.conversation_id, b.reply_id, REFUSED),
        NotFound,
    ),
    "outbox.is_sending": (lambda s, a, b: outbox.is_sending(s, b.asked.conversation_id), False),
    "usage.record": (_record_usage, ValueError),
    "connections.key_of": (lambda s, a, b: connections.key_of(s, b.connection_id), NotFound),
    **ON_ACCOUNTS,
    **ON_FACTORS,
    **ON_MEMORY,
    **OVER_THE_API,
    **ON_KNOWLEDGE,
    **ON_ESCALATION,
    **ON_TOOLS,
    **ON_HANDOFFS,
    **ON_STREAMS,
    **ON_FILES,
    **ON_CONSULTS,
    **ON_DESIGNS,
    **ON_WHATSAPP,
    **ON_CONNECTING,
    **ON_SETTINGS,
    **ON_REHEARSALS,
    **ON_ONBOARDING,
    **ON_INBOX,
    **ON_CHANGES,
    **ON_WORDS,
    **ON_THE_OPEN,
    **ON_TIMELINE,
    **ON_OFFERS,
    **ON_TRAIL,
    **ON_REPORTS,
    **ON_SATISFACTION,
    **ON_API,
    **ON_BUDGETS,
    **ON_MONEY,
    **ON_PLANS,
}


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_a_function_of_the_core_does_nothing_to_another_tenant(
    ours: Furnished, theirs: Furnished, snapshot: Snapshot, name: str
) -> None:
    attempt, expected = ATTEMPTS[name]
    before = await snapshot(theirs)
    outcome: object = None
    try:
        async with ours.session() as session:
            outcome = await attempt(session, ours, theirs)
    except Exception as error:
        outcome = type(error)
    if isinstance(expected, type):
        assert isinstance(outcome, type)
        assert issubclass(outcome, expected)
    else:
        assert outcome == expected
    assert await snapshot(theirs) == before


def test_every_function_that_works_in_a_session_is_tried() -> None:
    found = set()
    for module in pkgutil.walk_packages(konstruct.__path__, "konstruct."):
        if module.name.split(".")[1] in ("__main__", "adapters", "migrations"):
            continue
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if function.__module__ == module.name and not name.startswith("_"):
                parameters = list(inspect.signature(function).parameters)
                if parameters[:1] == ["session"]:
                    found.add(f"{module.name.removeprefix('konstruct.')}.{name}")
    assert found
    assert found - set(ATTEMPTS) == set()


async def test_a_manifest_cannot_claim_another_tenants_workspace(
    database: Database, vault: Vault, theirs: Furnished, snapshot: Snapshot
) -> None:
    before = await snapshot(theirs)
    text = f"""\
tenant: thief-{uuid4().hex[:12]}
name: Thief
employees: {{eve: {{name: Eve, role: Thief, system_prompt: Steal.}}}}
connections:
  slack: {{kind: slack, bot_token: "${{TOKEN}}", team_id: {theirs.account[2:]}, bot_user_id: U1, employee: eve}}
"""
    read = manifest.parse(text, "thief.yaml", {"TOKEN": "xoxb-thief"})
    with pytest.raises(Conflict):
        await tenants.apply(database, vault, read)
    assert await tenants.find(database, read.tenant) is None
    assert await snapshot(theirs) == before


async def test_another_tenants_secret_does_not_open(ours: Furnished, theirs: Furnished, administrator: Any) -> None:
    sealed = await administrator.fetchval(
        "select sealed_secrets from connections where tenant_id = $1 and sealed_secrets is not null",
        theirs.tenant_id,
    )
    async with ours.session() as session:
        with pytest.raises(Misconfigured):
            await ours.vault.open(session, ours.tenant_id, connections.SECRETS, theirs.connection_id, sealed)


def test_a_workflow_belongs_to_one_tenant() -> None:
    conversation, first, second = uuid4(), uuid4(), uuid4()
    assert temporal.workflow_id(first, conversation) != temporal.workflow_id(second, conversation)
    assert str(first) in temporal.workflow_id(first, conversation)
    assert temporal.sync_id(first, conversation) != temporal.sync_id(second, conversation)
