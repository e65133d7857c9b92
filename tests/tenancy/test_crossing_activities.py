"""Every activity, asked by one tenant for what another one has."""

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

import activities
from activities.approving import Approving
from activities.assisting import Assisting
from activities.attending import Attending
from activities.builtin_tools import BuiltinTools
from activities.changing_owner import ChangingOwner
from activities.consulting import Consulting
from activities.delivery import Delivery
from activities.fetching import Fetching
from activities.ingesting import Ingesting
from activities.opening import Opening
from activities.remembering import Remembering
from activities.thinking import Thinking
from activities.tool_servers import ToolServers
from activities.tool_use import ToolUse
from konstruct import temporal
from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.contracts.approvals import ApprovalState
from konstruct.contracts.consults import ConsultState
from konstruct.contracts.conversation import (
    AbandonRequest,
    AdmitRequest,
    Delivered,
    DeliverRequest,
    FetchFilesRequest,
    ThinkRequest,
    ToolCallRequest,
)
from konstruct.contracts.handoffs import (
    Action,
    AgentAct,
    AssistRequest,
    HandOff,
    HandoffState,
    OwnerChange,
    Resume,
)
from konstruct.contracts.knowledge import Progress, SyncRequest
from konstruct.contracts.memory import RememberRequest
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.support.doubles import (
    GivenEmbedders,
    GivenFiles,
    KeptFiles,
    KeptWindows,
    NothingCools,
    RecordingMessenger,
    ScriptedModel,
)
from tests.support.office import Furnished, open_office
from tests.support.workshop import at_server, define, tool_row
from tests.tenancy.attempts_on_consults import consult_of
from tests.tenancy.attempts_on_handoffs import agent_of, entry_of, handoff_of
from tests.tenancy.attempts_on_tools import SERVER, call_of, token_of
from tests.tenancy.attempts_over_the_api import approval_of
from tests.tenancy.conftest import Snapshot
from tests.tenancy.test_crossing_background import IN_THE_BACKGROUND, RecordingMcp


async def _call_of(a: Furnished, b: Furnished) -> ToolCallRequest:
    return ToolCallRequest(a.tenant_id, (await call_of(b)).id, 1)


async def _approval_of(a: Furnished, b: Furnished) -> ApprovalState:
    return ApprovalState(a.tenant_id, (await approval_of(b)).id)


async def _consult_of(a: Furnished, b: Furnished) -> ConsultState:
    return ConsultState(a.tenant_id, (await consult_of(b)).id)


@pytest.fixture
def acts(
    settings: Settings, database: Database, vault: Vault, model: ScriptedModel, messenger: RecordingMessenger
) -> dict[str, Callable[[Any], Awaitable[object]]]:
    thinking = Thinking(
        settings, database, vault, model, NothingCools(), {"slack": messenger}, KeptWindows(), GivenEmbedders()
    )
    delivery = Delivery(database, vault, {"slack": messenger}, KeptWindows())
    opening = Opening(SubprocessReader(), SubprocessPictures())
    fetching = Fetching(database, vault, {"slack": GivenFiles()}, KeptFiles(), opening)
    return {
        "fetch_files": fetching.fetch_files,
        "give_up_files": fetching.give_up_files,
        "think": thinking.think,
        "admit": thinking.admit,
        "abandon": thinking.abandon,
        "deliver": delivery.deliver,
        "remember": Remembering(settings, database, vault, model, NothingCools(), GivenEmbedders()).remember,
    }


OF_ALL_TENANTS = {
    *("sweep", "seal", "claim_memory_work", "embed_memories", "start_syncs", "embed_chunks", "look_at_servers"),
    *("let_go", "clear_tenants", "renew_tokens", "learn_names", "ask_for_ratings"),
    *("reconcile_subscriptions", "meter_usage"),
}
OF_KNOWLEDGE = {"list_source", "read_documents", "fail_sync"}

OfHandoff = Callable[[Furnished, Furnished], Awaitable[object]]
ACTS: tuple[Action, ...] = ("claim", "transfer", "release", "resolve", "hand_back")

Request = Callable[[Furnished, UUID, UUID, UUID], object]

REQUESTS: dict[str, Request] = {
    "think": lambda a, conversation, asked, reply: ThinkRequest(a.tenant_id, conversation, new_id(), [asked]),
    "fetch_files": lambda a, conversation, asked, reply: FetchFilesRequest(a.tenant_id, conversation),
    "give_up_files": lambda a, conversation, asked, reply: FetchFilesRequest(a.tenant_id, conversation),
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


OF_TOOLS: dict[str, Callable[[Furnished, Furnished], Awaitable[object]]] = {
    "call_tool": _call_of,
    "give_up_call": _call_of,
    "announce_approval": _approval_of,
    "settle_approval": _approval_of,
    "report_approval": _approval_of,
    "announce_consult": _consult_of,
    "settle_consult": _consult_of,
    "report_consult": _consult_of,
}


@pytest.mark.parametrize("name", OF_TOOLS)
async def test_an_activity_finds_no_call_approval_or_consult_of_another_tenant(
    database: Database,
    vault: Vault,
    messenger: RecordingMessenger,
    temporal_client: Client,
    ours: Furnished,
    theirs: Furnished,
    snapshot: Snapshot,
    name: str,
) -> None:
    before, mcp = await snapshot(theirs), RecordingMcp()
    builtin = BuiltinTools(database, vault, GivenEmbedders(), NothingCools(), temporal_client)
    async with open_client() as web:
        owners = (
            ToolUse(database, vault, builtin, SafeWeb(web), mcp),
            Approving(database, vault, {"slack": messenger}, temporal_client),
            Consulting(database, vault, {}, temporal_client),
        )
        [act] = [getattr(owner, name) for owner in owners if hasattr(owner, name)]
        with pytest.raises(NotFound):
            await ActivityEnvironment().run(act, await OF_TOOLS[name](ours, theirs))
    assert (messenger.cards, mcp.asked) == ({}, [])
    assert await snapshot(theirs) == before


async def _state_of(a: Furnished, b: Furnished) -> HandoffState:
    return HandoffState(a.tenant_id, (await handoff_of(b)).id)


async def _help_of(a: Furnished, b: Furnished) -> AssistRequest:
    return AssistRequest(a.tenant_id, (await entry_of(b, "draft")).id)


async def _hand_off(a: Furnished, b: Furnished) -> OwnerChange:
    return OwnerChange(a.tenant_id, b.waiting.conversation_id, "hand_off", wish=HandOff())


async def _resume(a: Furnished, b: Furnished) -> OwnerChange:
    return OwnerChange(a.tenant_id, (await handoff_of(b)).conversation_id, "resume", resume=Resume())


async def _take_over(a: Furnished, b: Furnished) -> OwnerChange:
    return OwnerChange(a.tenant_id, b.waiting.conversation_id, "claim", act=AgentAct(agent_of(a).key))


def _act(action: Action, *, at_ours: bool = False, with_note: bool = False) -> OfHandoff:
    """``at_ours``: as our own conversation's workflow would have it done; ``with_note``: what they wrote, in ours."""

    async def asked(a: Furnished, b: Furnished) -> OwnerChange:
        theirs, ours = await handoff_of(b), await handoff_of(a)
        act = AgentAct(
            agent_of(a).key,
            (ours if with_note else theirs).id,
            agent_of(a).key,
            (await entry_of(b, "note")).id if with_note else None,
        )
        conversation_id = (ours if at_ours else theirs).conversation_id
        return OwnerChange(a.tenant_id, conversation_id, action, act=act)

    return asked


OF_HANDOFFS: dict[str, tuple[str, OfHandoff]] = {
    "change_owner": ("change_owner", _hand_off),
    "change_owner, resume": ("change_owner", _resume),
    "change_owner, take over": ("change_owner", _take_over),
    **{f"change_owner, {each}": ("change_owner", _act(each)) for each in ACTS},
    **{f"change_owner, {each} at ours": ("change_owner", _act(each, at_ours=True)) for each in ACTS},
    "change_owner, with their note": ("change_owner", _act("hand_back", at_ours=True, with_note=True)),
    "attend_handoff": ("attend_handoff", _state_of),
    "pack_handoff": ("pack_handoff", _state_of),
    "assist_agent": ("assist_agent", _help_of),
    "give_up_assisting": ("give_up_assisting", _help_of),
}


@pytest.mark.parametrize("name", OF_HANDOFFS)
async def test_an_activity_finds_no_handoff_of_another_tenant(
    settings: Settings,
    database: Database,
    vault: Vault,
    model: ScriptedModel,
    temporal_client: Client,
    ours: Furnished,
    theirs: Furnished,
    snapshot: Snapshot,
    name: str,
) -> None:
    before, own = await snapshot(theirs), await snapshot(ours)
    activity, request = OF_HANDOFFS[name]
    owners = (
        ChangingOwner(database, vault, temporal_client),
        Attending(database, vault, {}, None, temporal_client),
        Assisting(settings, database, vault, model, NothingCools()),
    )
    [act] = [getattr(owner, activity) for owner in owners if hasattr(owner, activity)]
    with pytest.raises(NotFound):
        await ActivityEnvironment().run(act, await request(ours, theirs))
    assert model.prompts == []
    assert await snapshot(theirs) == before
    assert await snapshot(ours) == own


async def test_each_server_is_asked_with_its_own_tenants_token_and_answers_to_it_alone(
    database: Database, vault: Vault, administrator: Any
) -> None:
    # Those that other tests left would be asked first, and only so many are in one run.
    await administrator.execute("update tools set looked_at = now()")
    mcp, offices = RecordingMcp(), [await open_office(database, vault) for _ in range(2)]
    for office in offices:
        await define(office, SERVER, at_server("https://crm.example.com/mcp"), token_of(office))
    await ActivityEnvironment().run(ToolServers(database, vault, mcp).look_at_servers)
    for office in offices:
        [told] = (await tool_row(office, SERVER)).listing.values()
        assert told["description"] == f"Bearer {token_of(office)}"


def test_every_activity_of_a_tenant_is_tried() -> None:
    """Some have none: they go through all tenants, each in a session of its own, which ``test_renewing`` tries."""
    names = set()
    for module in pkgutil.iter_modules(activities.__path__, "activities."):
        for _, owner in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            names |= {name for name, member in vars(owner).items() if hasattr(member, "__temporal_activity_definition")}
    assert names - OF_ALL_TENANTS - OF_KNOWLEDGE - set(OF_TOOLS) - set(IN_THE_BACKGROUND) == set(REQUESTS) | {
        name for name, _ in OF_HANDOFFS.values()
    }
