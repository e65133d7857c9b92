"""Approvals: people are told, what they say is taken down, and the conversation learns of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat
from konstruct import approvals, connections, temporal
from konstruct.approvals import Asked
from konstruct.contracts.approvals import ApprovalStanding, ApprovalState
from konstruct.contracts.conversation import DELIVER_MESSAGE, DeliverMessage
from konstruct.db import Database
from konstruct.errors import ChannelError, ChannelRefused, NotFound
from konstruct.identity import ConnectionId
from konstruct.ports import ApprovalCard, ChannelAccount, Messenger
from konstruct.tables import Connection
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from konstruct.vault import Vault

WITHDRAWN: Final = "The person whom it was for was erased; it was not done."

log = structlog.get_logger(__name__)


class Approving:
    def __init__(self, database: Database, vault: Vault, messengers: Mapping[str, Messenger], client: Client) -> None:
        self._database = database
        self._vault = vault
        self._messengers = messengers
        self._client = client

    @activity.defn(name="announce_approval")
    async def announce_approval(self, state: ApprovalState) -> None:
        """On a card in the tenant's channel; where it has none, over the API alone."""
        async with heartbeat():
            async with self._database.tenant_session(state.tenant_id) as session:
                asked = await approvals.read(session, self._vault, state.approval_id)
                chosen = await approvals.settings(session)
                account = await self._account(session, chosen.connection_key)
            card = None
            if asked.is_rehearsal:
                account = None
            if account is not None and chosen.channel is not None and asked.state == "waiting" and not asked.cards:
                card = await self._show(account, chosen.channel, asked)
            async with self._database.tenant_session(state.tenant_id) as session:
                await approvals.announced(session, state.approval_id, card)
                asked = await approvals.read(session, self._vault, state.approval_id)
            if asked.state != "waiting":
                await self._renew_cards(asked)

    async def _show(self, account: ChannelAccount, channel: str, asked: Asked) -> dict[str, str] | None:
        try:
            external_id = await self._messengers[account.kind].show_approval(account, channel, card_of(asked))
        except ChannelRefused as error:
            # It will never take it. The API can still decide, and the log says why nobody was told.
            log.error("approval_not_shown", tenant_id=str(asked.tenant_id), code=error.code)
            return None
        return {"connection_id": str(account.connection_id), "channel": channel, "external_id": external_id}

    @activity.defn(name="settle_approval")
    async def settle_approval(self, state: ApprovalState) -> ApprovalStanding:
        async with self._database.tenant_session(state.tenant_id) as session:
            standing = await approvals.settle(session, state.approval_id)
            approval = await approvals.get(session, state.approval_id)
            call = await calls.get(session, approval.call_id)
        to_make = calls.to_make(call)
        return ApprovalStanding(
            state=standing,
            seconds_left=(approval.expires_at - utc_now()).total_seconds(),
            conversation_id=approval.conversation_id,
            call_id=call.id,
            timeout_seconds=to_make.timeout,
            attempts=to_make.attempts,
        )

    @activity.defn(name="report_approval")
    async def report_approval(self, state: ApprovalState) -> None:
        async with self._database.tenant_session(state.tenant_id) as session:
            note_id = await approvals.report(session, self._vault, state.approval_id)
            conversation_id = (await approvals.get(session, state.approval_id)).conversation_id
        if note_id is not None:
            # When Temporal does not take it, this is tried again; and the note lies where a sweep finds it.
            await temporal.tell(
                self._client, state.tenant_id, conversation_id, DELIVER_MESSAGE, DeliverMessage(note_id)
            )
        try:
            async with self._database.tenant_session(state.tenant_id) as session:
                asked = await approvals.read(session, self._vault, state.approval_id)
        except NotFound:
            await self._blank_cards(state)
            return
        await self._renew_cards(asked)

    async def _blank_cards(self, state: ApprovalState) -> None:
        """Whom it was about was erased: nothing of them stays where people were asked."""
        async with self._database.tenant_session(state.tenant_id) as session:
            approval = await approvals.get(session, state.approval_id)
        card = ApprovalCard(
            approval_id=approval.id,
            fingerprint=approval.fingerprint,
            employee="",
            tool=approval.tool,
            reason="",
            arguments="{}",
            expires_at=approval.expires_at,
            outcome=WITHDRAWN,
        )
        await self._renew(approval.tenant_id, approval.cards, card)

    async def _renew_cards(self, asked: Asked) -> None:
        """Says on each card what came of it; a card that cannot be renewed says so when it is pressed."""
        await self._renew(asked.tenant_id, asked.cards, card_of(asked))

    async def _renew(self, tenant_id: UUID, places: Sequence[Mapping[str, Any]], renewed: ApprovalCard) -> None:
        for card in places:
            async with self._database.tenant_session(tenant_id) as session:
                account = await connections.open_account(
                    session, self._vault, ConnectionId(UUID(card["connection_id"]))
                )
            try:
                await self._messengers[account.kind].renew_approval(
                    account, card["channel"], card["external_id"], renewed
                )
            except ChannelError as error:
                log.warning("approval_card_stale", tenant_id=str(tenant_id), error=type(error).__name__)

    async def _account(self, session: AsyncSession, key: str | None) -> ChannelAccount | None:
        found = await session.scalar(select(col(Connection.id)).where(col(Connection.key) == key)) if key else None
        if found is None:
            return None
        account = await connections.open_account(session, self._vault, ConnectionId(found))
        return account if account.is_active else None


def card_of(asked: Asked) -> ApprovalCard:
    return ApprovalCard(
        approval_id=asked.approval_id,
        fingerprint=asked.fingerprint,
        employee=asked.employee,
        tool=asked.tool,
        reason=asked.reason,
        arguments=asked.arguments,
        expires_at=asked.expires_at,
        outcome=_outcome(asked),
    )


def _outcome(asked: Asked) -> str:
    if asked.state == "waiting":
        return ""
    if asked.state == "expired":
        return "Nobody decided in time; it was not done."
    if asked.state == "denied":
        return f"Denied by {asked.decided_by}; it was not done."
    done = {
        "done": "It was done.",
        "failed": "It was tried and failed.",
        "unknown": "Nobody can tell whether it was done: please check.",
        "cancelled": "It was stopped before it was done.",
    }
    return f"Approved by {asked.decided_by}. {done.get(asked.call_state, 'It is being done.')}"
