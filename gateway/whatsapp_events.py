"""WhatsApp's notifications: each message, status and change of a post by itself, for whichever tenant's number it is.

Signatures are checked before, in ``whatsapp``; nothing on the way to Meta's answer calls Meta.
"""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog
from temporalio.client import Client

from gateway import whatsapp_account
from gateway.bodies import Json
from gateway.heard import Heard
from gateway.turnstile import Turnstile
from gateway.whatsapp_listeners import CHANNEL, Item, WhatsAppListeners
from gateway.whatsapp_shapes import Change, Entry, Notification
from konstruct import connections, quarantine
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import BadInput, KonstructError, NotFound
from konstruct.identity import TenantId
from konstruct.ports import ChannelAccount, Limiter
from konstruct.vault import Vault

MAX_DEPTH: Final = 32
AT_ONCE: Final = 4
"""People whose part of one post is kept side by side; what is one person's, one after the other."""

log = structlog.get_logger(__name__)


class WhatsAppEvents:
    def __init__(self, database: Database, vault: Vault, limiter: Limiter, temporal_client: Client) -> None:
        self._database = database
        self._vault = vault
        self._heard = Heard(database)
        self._turnstile = Turnstile()
        self._listeners = WhatsAppListeners(database, vault, limiter, temporal_client)

    async def account_with_own_app(self, phone_number_id: str) -> ChannelAccount | None:
        """The connected number, if its tenant has a Meta app of its own for it."""
        found = await connections.find(self._database, CHANNEL, phone_number_id)
        account = await self._account(found) if found else None
        return account if account and "app_secret" in account.secrets else None

    async def receive(self, body: bytes, only: TenantId | None = None) -> None:
        """Takes all of an authentic post. What can never be processed is kept aside and counts as taken.

        ``only``: what concerns another tenant's numbers is kept aside, too.

        Raises:
            KonstructError: only a retryable one; Meta must deliver again, and what was kept already is known then.
        """
        try:
            notification = Notification.model_validate(_parse(body))
        except BadInput as error:
            await quarantine.keep(self._database, channel=CHANNEL, reason=str(error), body=body)
            return
        changes = [(entry, change) for entry in notification.entry for change in entry.changes]
        await self._take_all(
            [
                # One after the other, for each has several people's messages already.
                Item("", _within(entry, change), partial(self._take_change, entry, change, only))
                for entry, change in changes
            ]
        )

    async def _take_change(self, entry: Entry, raw: Json, only: TenantId | None) -> None:
        change = Change.model_validate(raw)
        phone_number_id = change.value.metadata.phone_number_id
        if not phone_number_id:
            await self._take_account_change(entry, change, only)
            return
        connection = await connections.find(self._database, CHANNEL, phone_number_id)
        if connection is None or only not in (None, connection.tenant_id):
            raise NotFound("This WhatsApp number is not connected to any tenant.")
        account = await self._account(connection)
        known = account.external.get("waba_id")
        if known and entry.id and known != entry.id:
            raise NotFound("This WhatsApp number is connected as one of another business account.")
        await self._heard.note(connection)
        items = self._listeners.items(connection, change)
        async with self._turnstile.passed(connection.tenant_id):
            await self._take_all([Item(item.whose, _within(entry, raw, item.raw), item.take) for item in items])

    async def _take_account_change(self, entry: Entry, change: Change, only: TenantId | None) -> None:
        if change.field not in whatsapp_account.FIELDS or not entry.id:
            log.info("whatsapp_change_ignored", field=change.field[:60])
            return
        for connection in await connections.of_business(self._database, CHANNEL, entry.id):
            if only in (None, connection.tenant_id):
                await self._heard.note(connection)
                async with self._database.tenant_session(connection.tenant_id) as session:
                    await whatsapp_account.note(session, connection, change, entry.time)

    async def _take_all(self, items: Sequence[Item]) -> None:
        """All are tried, whatever becomes of one. Raises what is retryable then."""
        persons: dict[str, list[Item]] = {}
        for item in items:
            persons.setdefault(item.whose, []).append(item)
        room = asyncio.Semaphore(AT_ONCE)

        async def take_in_order(theirs: Sequence[Item]) -> list[KonstructError]:
            async with room:
                failed = [await self._take(item) for item in theirs]
            return [error for error in failed if error is not None]

        for failed in await asyncio.gather(*map(take_in_order, persons.values())):
            for error in failed:
                raise error

    async def _take(self, item: Item) -> KonstructError | None:
        try:
            await item.take()
        except Exception as error:
            if isinstance(error, KonstructError) and error.retryable:
                return error
            reason = str(error) if isinstance(error, KonstructError) else type(error).__name__
            log.exception("whatsapp_event_quarantined", reason=reason)
            kept = json.dumps(item.raw, ensure_ascii=False).encode("utf-8", "replace")
            try:
                await quarantine.keep(self._database, channel=CHANNEL, reason=reason, body=kept)
            except KonstructError as unkept:
                return unkept
        return None

    async def _account(self, connection: ConnectionRef) -> ChannelAccount:
        async with self._database.tenant_session(connection.tenant_id) as session:
            return await connections.open_account(session, self._vault, connection.connection_id)


def _within(entry: Entry, change: Json, value: Json | None = None) -> Json:
    """A post of this alone: what is kept aside holds nobody else's."""
    alone = change if value is None else {**change, "value": value}
    return {"entry": [{"id": entry.id, "changes": [alone]}]}


def _parse(body: bytes) -> object:
    """Text that Postgres would not take is mended where it stands, since a post holds many people's messages.

    Raises BadInput for what is no JSON at all, or too deep.
    """
    try:
        return _mended(json.loads(body.decode("utf-8", "replace")), 1)
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not JSON.") from error


def _mended(value: object, depth: int) -> object:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if not isinstance(value, dict | list):
        return value
    if depth > MAX_DEPTH:
        raise BadInput(f"The body is nested more than {MAX_DEPTH} deep.")
    if isinstance(value, list):
        return [_mended(part, depth + 1) for part in value]
    return {_mended(name, depth): _mended(part, depth + 1) for name, part in value.items()}
