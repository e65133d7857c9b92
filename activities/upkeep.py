"""Upkeep: what a crash or an outage left lying is put back on its way, and the audit trail is sealed."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.client import Client

from activities.fetching import Removing
from activities.heartbeat import heartbeat
from konstruct import approvals, consults, deploys, quarantine, revising, temporal, unsettled
from konstruct.audit import anchors, sealing
from konstruct.audit.signing import Signatures
from konstruct.billing import events, telling
from konstruct.contracts.conversation import DELIVER_MESSAGE, SEND_NOTICE, DeliverMessage, SendNotice, Swept
from konstruct.contracts.upkeep import Sealed
from konstruct.db import Database
from konstruct.errors import KonstructError, Unavailable
from konstruct.handoffs import attending
from konstruct.rehearsals import rooms
from konstruct.tables import AuditSeal
from konstruct.unsettled import Unsettled

log = structlog.get_logger(__name__)

AT_MOST = 500
"""Messages that one sweep signals; the next one goes on."""


TENANTS_AT_ONCE = 4
"""That are sealed side by side, on as many connections."""


class Upkeep:
    def __init__(self, database: Database, client: Client, removing: Removing) -> None:
        self._database = database
        self._client = client
        self._removing = removing

    @activity.defn(name="sweep")
    async def sweep(self) -> Swept:
        """Signals every message that is durable but that no workflow has taken. A repeated signal changes nothing."""
        found = await unsettled.find(self._database, AT_MOST)
        await quarantine.forget(self._database)
        signalled = 0
        async with heartbeat():
            for message in found:
                try:
                    await self._signal(message)
                except Unavailable as error:
                    # One that cannot be signalled must not hold up the others.
                    log.warning("sweep_failed", conversation_id=str(message.conversation_id), error=str(error))
                else:
                    signalled += 1
            signalled += await self._tell_approvals()
            signalled += await self._tell_handoffs()
            signalled += await self._tell_consults()
            signalled += await self._tell_subscriptions()
            await self._rescue()
            await self._removing.run(AT_MOST)
            await rooms.forget_old(self._database, AT_MOST)
            await revising.forget_old(self._database, AT_MOST)
        return Swept(signalled)

    async def _tell_approvals(self) -> int:
        told = 0
        for approval in await approvals.unsettled(self._database, AT_MOST):
            try:
                await temporal.tell_approval(self._client, approval.tenant_id, approval.approval_id)
            except Unavailable as error:
                log.warning("sweep_failed", approval_id=str(approval.approval_id), error=str(error))
                continue
            async with self._database.tenant_session(approval.tenant_id) as session:
                await approvals.note_swept(session, approval.approval_id)
            told += 1
        return told

    async def _tell_handoffs(self) -> int:
        told = 0
        for handoff in await attending.unsettled(self._database, AT_MOST):
            try:
                await temporal.tell_of_handoff(self._client, handoff.tenant_id, handoff.handoff_id)
            except Unavailable as error:
                log.warning("sweep_failed", handoff_id=str(handoff.handoff_id), error=str(error))
                continue
            async with self._database.tenant_session(handoff.tenant_id) as session:
                await attending.note_swept(session, handoff.handoff_id)
            told += 1
        return told

    async def _tell_consults(self) -> int:
        told = 0
        for consult in await consults.unsettled(self._database, AT_MOST):
            try:
                await temporal.tell_consult(self._client, consult.tenant_id, consult.consult_id)
            except Unavailable as error:
                log.warning("sweep_failed", consult_id=str(consult.consult_id), error=str(error))
                continue
            async with self._database.tenant_session(consult.tenant_id) as session:
                await consults.note_swept(session, consult.consult_id)
            told += 1
        return told

    async def _tell_subscriptions(self) -> int:
        told = 0
        for found in await events.unsettled(self._database, AT_MOST):
            if found.tenant_id is None:
                await events.settle_nobodys(self._database, found.ids)
                continue
            try:
                await telling.start(self._client, found.tenant_id)
            except Unavailable as error:
                log.warning("sweep_failed", tenant_id=str(found.tenant_id), error=str(error))
                continue
            told += 1
        return told

    async def _rescue(self) -> None:
        """Conversations whose build is gone would wait for it for ever."""
        try:
            moved = await deploys.rescue(self._client)
        except KonstructError as error:
            log.warning("rescue_failed", error=str(error))
            return
        for build_id, many in moved.items():
            log.warning("conversations_moved", build=build_id, conversations=many)

    async def _signal(self, message: Unsettled) -> None:
        signal, content = (
            (SEND_NOTICE, SendNotice(message.message_id))
            if message.is_notice
            else (DELIVER_MESSAGE, DeliverMessage(message.message_id))
        )
        await temporal.tell(self._client, message.tenant_id, message.conversation_id, signal, content)
        await unsettled.note_swept(self._database, message)


class Sealing:
    def __init__(self, database: Database, signatures: Signatures, anchor_file: Path) -> None:
        self._database = database
        self._signatures = signatures
        self._anchor_file = anchor_file
        self._room = asyncio.Semaphore(TENANTS_AT_ONCE)

    @activity.defn(name="seal")
    async def seal(self) -> Sealed:
        """Seals every trail that went on, and anchors each seal that is not anchored, whoever made it.

        A crash in between is made good by the next run: at worst a line is there twice.
        """
        anchored = failed = 0
        async with heartbeat():
            async for tenants in sealing.waiting_tenants(self._database):
                found = await asyncio.gather(*(self._seal(tenant_id) for tenant_id in tenants))
                failed += found.count(None)
                seals = {tenant_id: each for tenant_id, each in zip(tenants, found, strict=True) if each}
                await self._anchor([seal for each in seals.values() for seal in each])
                await asyncio.gather(*(self._note_anchored(tenant_id, each) for tenant_id, each in seals.items()))
                anchored += sum(map(len, seals.values()))
        return Sealed(anchored, failed)

    async def _seal(self, tenant_id: UUID) -> Sequence[AuditSeal] | None:
        """The tenant's seals that are to be anchored; None when it has to wait for the next run."""
        async with self._room:
            try:
                await sealing.seal(self._database, tenant_id)
                async with self._database.tenant_session(tenant_id) as session:
                    return await sealing.unanchored(session)
            except (Unavailable, DBAPIError) as error:
                # One trail that cannot be sealed must not hold up the others.
                log.warning("seal_failed", tenant_id=str(tenant_id), error=type(error).__name__)
                return None

    async def _anchor(self, seals: Sequence[AuditSeal]) -> None:
        lines = [anchors.line(self._signatures, seal) for seal in seals]
        await asyncio.to_thread(anchors.append, self._anchor_file, lines)
        for seal in seals:
            log.info("audit_anchor", tenant_id=str(seal.tenant_id), seal=seal.number, root=seal.root.hex())

    async def _note_anchored(self, tenant_id: UUID, seals: Sequence[AuditSeal]) -> None:
        async with self._room, self._database.tenant_session(tenant_id) as session:
            await sealing.note_anchored(session, [seal.number for seal in seals])
