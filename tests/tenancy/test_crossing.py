"""Every function of the core and every activity, tried by one tenant on what another one has."""

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
from sqlmodel import col, select, update
from temporalio.testing import ActivityEnvironment

import activities
import konstruct
from activities.delivery import Delivery
from activities.ingesting import Ingesting
from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct import (
    audit,
    connections,
    conversations,
    db,
    employees,
    inbox,
    manifest,
    notices,
    outbox,
    temporal,
    tenants,
    usage,
    withdrawing,
)
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.audit import exporting, sealing
from konstruct.audit.signing import Signatures
from konstruct.connections import ConnectionRef
from konstruct.contracts.conversation import (
    AbandonRequest,
    AdmitRequest,
    Delivered,
    DeliverRequest,
    ThinkRequest,
)
from konstruct.contracts.knowledge import Progress, SyncRequest
from konstruct.contracts.memory import RememberRequest
from konstruct.db import Database
from konstruct.errors import ChannelRefused, Conflict, Misconfigured, NotFound
from konstruct.identity import new_id
from konstruct.inbox import Inbound
from konstruct.models import ModelCall
from konstruct.ports import Tokens
from konstruct.settings import Settings
from konstruct.tables import Connection, Conversation, EmployeeVersion, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.conftest import ENCRYPTION_KEY
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, RecordingMessenger, ScriptedModel
from tests.support.office import Allowing, Furnished
from tests.tenancy.attempts_on_knowledge import ON_KNOWLEDGE
from tests.tenancy.attempts_on_memory import ON_MEMORY
from tests.tenancy.attempts_over_the_api import OVER_THE_API
from tests.tenancy.conftest import Snapshot

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

REFUSED = ChannelRefused("It is archived.", "is_archived")


async def _record_usage(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        version = (await theirs.execute(select(EmployeeVersion))).scalar_one()
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


async def _unseal(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        connection = await theirs.get_one(Connection, (b.tenant_id, b.connection_id))
    # A vault that has not yet opened anything for them, as in a process that serves us alone.
    return await connections.unsealed(session, Vault((ENCRYPTION_KEY,)), connection)


async def _write_as(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        conversation = await theirs.get_one(Conversation, (b.tenant_id, b.asked.conversation_id))
    session.add(inbox.outgoing_notice(conversation, "Not yours"))
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
    "connections.open_account": (lambda s, a, b: connections.open_account(s, a.vault, b.connection_id), NotFound),
    "connections.mark": (
        lambda s, a, b: connections.mark(s, b.connection_id, status="revoked", reason="x", actor="a"),
        NotFound,
    ),
    "connections.install": (lambda s, a, b: _install(s, a, b, tenant=a, account=b.account), Conflict),
    "connections.install for b": (lambda s, a, b: _install(s, a, b, tenant=b, account="-/TNEW"), ValueError),
    "connections.unsealed": (_unseal, DBAPIError),
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
    "inbox.edit": (lambda s, a, b: inbox.edit(s, a.vault, b.connection_id, f"{b.account}-1", "x"), None),
    "inbox.remove": (lambda s, a, b: inbox.remove(s, b.connection_id, f"{b.account}-1"), None),
    "inbox.outgoing_notice": (_write_as, DBAPIError),
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
    "usage.record": (_record_usage, ValueError),
    "connections.key_of": (lambda s, a, b: connections.key_of(s, b.connection_id), NotFound),
    **ON_MEMORY,
    **OVER_THE_API,
    **ON_KNOWLEDGE,
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
        "select sealed_secrets from connections where tenant_id = $1", theirs.tenant_id
    )
    async with ours.session() as session:
        with pytest.raises(Misconfigured):
            await ours.vault.open(session, ours.tenant_id, connections.SECRETS, theirs.connection_id, sealed)


@pytest.fixture
def acts(
    settings: Settings, database: Database, vault: Vault, model: ScriptedModel, messenger: RecordingMessenger
) -> dict[str, Callable[[Any], Awaitable[object]]]:
    thinking = Thinking(
        settings, database, vault, model, NothingCools(), {"slack": messenger}, KeptWindows(), GivenEmbedders()
    )
    delivery = Delivery(database, vault, {"slack": messenger}, KeptWindows())
    return {
        "think": thinking.think,
        "admit": thinking.admit,
        "abandon": thinking.abandon,
        "deliver": delivery.deliver,
        "remember": Remembering(settings, database, vault, model, NothingCools(), GivenEmbedders()).remember,
    }


OF_ALL_TENANTS = {"sweep", "seal", "claim_memory_work", "embed_memories", "start_syncs", "embed_chunks"}
OF_KNOWLEDGE = {"list_source", "read_documents", "fail_sync"}

Request = Callable[[Furnished, UUID, UUID, UUID], object]

REQUESTS: dict[str, Request] = {
    "think": lambda a, conversation, asked, reply: ThinkRequest(a.tenant_id, conversation, new_id(), [asked]),
    "admit": lambda a, conversation, asked, reply: AdmitRequest(a.tenant_id, conversation, new_id(), "down"),
    "abandon": lambda a, conversation, asked, reply: AbandonRequest(a.tenant_id, conversation, [asked], "stopped"),
    "deliver": lambda a, conversation, asked, reply: DeliverRequest(a.tenant_id, conversation, [reply], True),
    "remember": lambda a, conversation, asked, reply: RememberRequest(a.tenant_id, conversation),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_activity_finds_no_conversation_of_another_tenant(
    acts: dict[str, Callable[[Any], Awaitable[object]]],
    messenger: RecordingMessenger,
    model: ScriptedModel,
    ours: Furnished,
    theirs: Furnished,
    snapshot: Snapshot,
    name: str,
) -> None:
    before = await snapshot(theirs)
    request = REQUESTS[name](ours, theirs.waiting.conversation_id, theirs.waiting.message_id, theirs.reply_id)
    with pytest.raises(NotFound):
        await ActivityEnvironment().run(acts[name], request)
    assert (messenger.told, model.prompts) == ([], [])
    assert await snapshot(theirs) == before


async def test_an_activity_takes_no_message_of_another_tenant(
    acts: dict[str, Callable[[Any], Awaitable[object]]],
    messenger: RecordingMessenger,
    model: ScriptedModel,
    ours: Furnished,
    theirs: Furnished,
    snapshot: Snapshot,
) -> None:
    before = await snapshot(theirs)
    stolen = (ours.waiting.conversation_id, theirs.waiting.message_id, theirs.reply_id)
    with pytest.raises(NotFound):
        await ActivityEnvironment().run(acts["deliver"], REQUESTS["deliver"](ours, *stolen))
    await ActivityEnvironment().run(acts["abandon"], REQUESTS["abandon"](ours, *stolen))
    assert (messenger.sent, model.prompts) == ([], [])
    assert await snapshot(theirs) == before


async def test_an_answer_goes_out_with_its_own_tenants_token(
    acts: dict[str, Callable[[Any], Awaitable[object]]],
    messenger: RecordingMessenger,
    ours: Furnished,
    theirs: Furnished,
) -> None:
    for office in (ours, theirs):
        request = DeliverRequest(office.tenant_id, office.asked.conversation_id, [office.reply_id])
        assert await ActivityEnvironment().run(acts["deliver"], request) == Delivered("sent")
    tokens = [account.secrets["bot_token"].get_secret_value() for account in messenger.accounts]
    assert tokens == [ours.bot_token, theirs.bot_token]


@pytest.mark.parametrize("name", sorted(OF_KNOWLEDGE))
async def test_an_activity_finds_no_source_of_another_tenant(
    settings: Settings, database: Database, ours: Furnished, theirs: Furnished, snapshot: Snapshot, name: str
) -> None:
    before = await snapshot(theirs)
    async with open_client() as web:
        ingesting = Ingesting(
            settings, database, await temporal.connect(settings), SafeWeb(web), SubprocessReader(), GivenEmbedders()
        )
        for sync_id in (theirs.sync.sync_id, new_id()):
            request = SyncRequest(ours.tenant_id, theirs.sync.source_id, sync_id)
            outcome = await ActivityEnvironment().run(getattr(ingesting, name), request)
            assert outcome == (None if name == "fail_sync" else Progress(is_over=True))
    assert await snapshot(theirs) == before


def test_every_activity_of_a_tenant_is_tried() -> None:
    """Some have none: they go through all tenants, and work for each in a session of its own."""
    names = set()
    for module in pkgutil.iter_modules(activities.__path__, "activities."):
        for _, owner in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            names |= {name for name, member in vars(owner).items() if hasattr(member, "__temporal_activity_definition")}
    assert names - OF_ALL_TENANTS - OF_KNOWLEDGE == set(REQUESTS)


def test_a_workflow_belongs_to_one_tenant() -> None:
    conversation, first, second = uuid4(), uuid4(), uuid4()
    assert temporal.workflow_id(first, conversation) != temporal.workflow_id(second, conversation)
    assert str(first) in temporal.workflow_id(first, conversation)
    assert temporal.sync_id(first, conversation) != temporal.sync_id(second, conversation)
