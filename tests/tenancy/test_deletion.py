"""A tenant that is deleted is nobody's at once, soon nothing of it is left but its trail; others keep all of theirs."""

from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.clearing import Clearing
from activities.fetching import Removing
from konstruct import deletion, temporal, tenants
from konstruct.connections import find
from konstruct.contracts.upkeep import Cleared
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.files import keeping
from konstruct.tables import File, TenantKey
from konstruct.vault import Vault
from tests.support.doubles import KeptFiles
from tests.support.members import enrolled
from tests.support.office import Furnished, furnish, open_office
from tests.support.trail import open_trail
from tests.tenancy.conftest import Snapshot, equipped

LEFT = {"tenants", "audit_events", "audit_heads", "audit_seals", "audit_seal_leaves"}


@pytest.fixture
async def doomed(database: Database, vault: Vault) -> Furnished:
    office = await equipped(await furnish(await open_office(database, vault)))
    await enrolled(database, vault, tenant=office.tenant_id)
    return office


async def delete(office: Furnished) -> None:
    async with office.session() as session:
        await deletion.begin(session, office.tenant_id, actor="user:ada")


async def clear(office: Furnished, client: Client, store: KeptFiles) -> Cleared:
    clearing = Clearing(office.database, client, Removing(office.database, store))
    return await ActivityEnvironment().run(clearing.clear_tenants)


async def kept(office: Furnished) -> KeptFiles:
    """A store in which the tenant's files lie."""
    store = KeptFiles()
    async with office.session() as session:
        for file in await session.scalars(select(File)):
            await store.put(keeping.store_key(office.tenant_id, file.object_id or file.id), b"Canary")
    return store


async def test_nobody_gets_in_and_nothing_can_be_read_from_the_moment_on(doomed: Furnished, vault: Vault) -> None:
    async with doomed.session() as session:
        amount = await deletion.preview(session)
    assert min(amount.employees, amount.contacts, amount.conversations) > 0
    await delete(doomed)
    assert await find(doomed.database, "slack", doomed.account) is None
    slugs = {tenant_id: slug for slug, tenant_id in (await tenants.every(doomed.database)).items()}
    assert slugs[doomed.tenant_id] == f"deleted-{doomed.tenant_id.hex}"
    async with doomed.session() as session:
        assert await session.get(TenantKey, doomed.tenant_id) is None
        with pytest.raises(NotFound):
            await deletion.begin(session, doomed.tenant_id, actor="user:ada")
    [event] = await doomed.events("tenant.deleted")
    assert event.actor == "user:ada"


async def test_nothing_is_left_but_the_trail_and_others_keep_theirs(
    doomed: Furnished, theirs: Furnished, snapshot: Snapshot, temporal_client: Client, owner_url: Any, tmp_path: Any
) -> None:
    store = await kept(doomed)
    assert store.kept
    id_ = temporal.workflow_id(doomed.tenant_id, doomed.asked.conversation_id)
    running = await temporal_client.start_workflow("ConversationWorkflow", id=id_, task_queue="nobody-works-here")
    others = await temporal_client.start_workflow(
        "ConversationWorkflow",
        id=temporal.workflow_id(theirs.tenant_id, theirs.asked.conversation_id),
        task_queue="nobody-works-here",
    )
    before = await snapshot(theirs)
    await delete(doomed)
    cleared = await clear(doomed, temporal_client, store)

    assert cleared.left == 0
    rows = await snapshot(doomed)
    assert {table for table, found in rows.items() if found} == LEFT
    assert not store.kept
    assert await snapshot(theirs) == before
    assert (await running.describe()).status is WorkflowExecutionStatus.TERMINATED
    assert (await others.describe()).status is WorkflowExecutionStatus.RUNNING
    await others.terminate()
    async with open_trail(doomed, owner_url, tmp_path) as trail:
        await trail.seal()
        assert (await trail.verify()).broken is None
    assert await clear(doomed, temporal_client, store) == Cleared(0, 0)


async def test_while_the_store_is_away_it_is_known_what_lies_there(doomed: Furnished, temporal_client: Client) -> None:
    store = await kept(doomed)
    await delete(doomed)
    store.is_away = True
    assert (await clear(doomed, temporal_client, store)).left
    store.is_away = False
    assert (await clear(doomed, temporal_client, store)).left == 0
    assert not store.kept


async def test_a_tenant_that_was_not_deleted_is_not_cleared(doomed: Furnished) -> None:
    async with doomed.session() as session:
        with pytest.raises(NotFound):
            await deletion.clear(session, doomed.tenant_id)
