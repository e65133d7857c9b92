"""What people and WhatsApp did, made durable: each kind of thing that a change can hold.

``whatsapp_events`` takes them, one by one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from temporalio.client import Client

from gateway import whatsapp_shapes as shapes
from gateway.bodies import Json
from gateway.full import Full
from gateway.whatsapp_plain import plain_text, sent_files
from gateway.whatsapp_shapes import Change, Message, Preference, Profile, Status, System, UserIdUpdate, Value
from konstruct import aliases, audit, inbox, receipts, revising, temporal
from konstruct.aliases import Names
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import BadInput
from konstruct.handoffs import echoes
from konstruct.handoffs.echoes import Echo
from konstruct.identity import id_in
from konstruct.inbox import Inbound
from konstruct.ports import Limiter
from konstruct.receipts import Receipt
from konstruct.vault import Vault

CHANNEL: Final = "whatsapp"
MOST_ID_CHARACTERS: Final = 500

_STATUSES: Final[dict[str, receipts.Status]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
MEANINGS: Final = {
    "130472": "not_sent_by_experiment",
    "131026": "undeliverable",
    "131047": "window_closed",
    "131048": "too_much_was_reported_as_spam",
    "131049": "held_back_by_meta",
    "131050": "contact_stopped_marketing",
    "131051": "type_not_supported",
    "131052": "file_not_fetched",
    "131053": "file_not_taken",
    "131056": "too_fast_to_this_contact",
}
"""Of Meta's codes of failures that are about one message; others are kept as their number."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Item:
    """One thing of a post that is taken, or fails, by itself."""

    whose: str
    """Those of one are taken in their order."""
    raw: Json
    """What is kept aside where it cannot be processed."""
    take: Callable[[], Awaitable[None]]


class WhatsAppListeners:
    def __init__(self, database: Database, vault: Vault, limiter: Limiter, temporal_client: Client) -> None:
        self._database = database
        self._vault = vault
        self._limiter = limiter
        self._full = Full()
        self._temporal = temporal_client

    def items(self, connection: ConnectionRef, change: Change) -> list[Item]:
        """What is not listed here is accepted and ignored."""
        value = change.value
        place = {"metadata": value.metadata.model_dump()}
        items = [self._of_message(connection, value, raw) for raw in value.messages]
        items += [
            Item(
                status.id,
                place | {"statuses": [status.model_dump(mode="json")]},
                partial(self._on_status, connection, status),
            )
            for status in value.statuses
        ]
        items += [
            Item("", place | {"user_id_update": [update.model_dump()]}, partial(self._on_user_id, connection, update))
            for update in value.user_id_update
        ]
        items += [self._of_echo(connection, value, raw) for raw in value.message_echoes]
        items += [
            Item("", place | {"user_preferences": [wish.model_dump()]}, partial(self._on_preference, connection, wish))
            for wish in value.user_preferences
        ]
        for problem in value.errors:
            log.warning("whatsapp_error", connection_id=str(connection.connection_id), code=problem.code[:20])
        return items

    def _of_message(self, connection: ConnectionRef, value: Value, raw: Json) -> Item:
        message = Message.model_validate(raw)
        sender = next((known for known in value.contacts if _is_of(known, message)), Profile())
        names = Names(
            lasting=shapes.lasting(message.from_user_id, message.from_, sender.user_id),
            number=shapes.number(message.from_, sender.wa_id),
        )
        kept = {"metadata": value.metadata.model_dump(), "messages": [raw]}
        take = partial(self._on_message, connection, value, message, names, sender.profile.name)
        return Item(names.key or message.id, kept, take)

    async def _on_message(
        self, connection: ConnectionRef, value: Value, message: Message, names: Names, called: str
    ) -> None:
        if message.type == "system":
            await self._on_system(connection, message, names)
        elif message.group_id or message.type in ("reaction", "ephemeral", "request_welcome"):
            # A reaction asks nothing, and in groups nobody serves yet.
            log.info("whatsapp_message_ignored", type=message.type[:40], is_of_group=bool(message.group_id))
        elif message.type == "revoke":
            async with self._database.tenant_session(connection.tenant_id) as session:
                await revising.remove(session, self._vault, connection, message.revoke.original_message_id)
        elif message.type == "edit":
            text = plain_text(Message.model_validate(message.edit.message))
            async with self._database.tenant_session(connection.tenant_id) as session:
                await revising.edit(
                    session,
                    self._vault,
                    connection,
                    message.edit.original_message_id,
                    text,
                    edited_at=message.timestamp,
                    author=names if names.key else None,
                )
        else:
            await self._accept(connection, value, message, names, called)

    async def _accept(
        self, connection: ConnectionRef, value: Value, message: Message, names: Names, called: str
    ) -> None:
        if not 0 < len(message.id) <= MOST_ID_CHARACTERS:
            raise BadInput("A message of WhatsApp has no id that can be one.")
        if not names.key:
            raise BadInput("A message of WhatsApp does not say who wrote it.")
        self._full.refuse(value.metadata.phone_number_id)
        accepted = await inbox.accept(
            self._database,
            self._vault,
            self._limiter,
            connection,
            Inbound(
                channel=value.metadata.phone_number_id,
                root=names.key,
                external_id=message.id,
                contact_external_id=names.key,
                text=plain_text(message),
                pressed=message.interactive.list_reply.id or message.interactive.button_reply.id,
                files=sent_files(message),
                sent_at=message.timestamp,
                names=names,
                name=called,
            ),
        )
        if accepted.is_full:
            self._full.note(value.metadata.phone_number_id)
        await temporal.notify(self._temporal, connection.tenant_id, accepted)

    async def _on_system(self, connection: ConnectionRef, message: Message, names: Names) -> None:
        system = message.system
        if system.type in ("user_changed_number", "user_changed_user_id"):
            before, now = _changed(system, names)
            await self._rename(connection, before, now)
        elif system.type == "customer_identity_changed":
            await self._note_new_device(connection, names)
        else:
            log.info("whatsapp_system_message_ignored", type=system.type[:60])

    async def _note_new_device(self, connection: ConnectionRef, names: Names) -> None:
        """Whoever has the number may be somebody else since: nothing follows from it, and it is on record."""
        async with self._database.tenant_session(connection.tenant_id) as session:
            known = await aliases.find(session, self._vault, connection, names)
            if known is not None:
                audit.record(
                    session,
                    tenant_id=connection.tenant_id,
                    actor="channel",
                    action="contact.identity_changed",
                    subject_id=known.contact_id,
                )

    def _of_echo(self, connection: ConnectionRef, value: Value, raw: Json) -> Item:
        message = Message.model_validate(raw)
        names = Names(lasting=shapes.lasting(message.to_user_id, message.to), number=shapes.number(message.to))
        kept = {"metadata": value.metadata.model_dump(), "message_echoes": [raw]}
        return Item(names.key or message.id, kept, partial(self._on_echo, connection, value, message, names))

    async def _on_echo(self, connection: ConnectionRef, value: Value, message: Message, names: Names) -> None:
        if not 0 < len(message.id) <= MOST_ID_CHARACTERS or message.type in ("edit", "revoke", "reaction"):
            log.info("whatsapp_echo_ignored", type=message.type[:40])
            return
        echo = Echo(message.id, plain_text(message), sent_files(message), message.timestamp)
        async with self._database.tenant_session(connection.tenant_id) as session:
            known = await aliases.find(session, self._vault, connection, names)
            channel = value.metadata.phone_number_id
            conversation_id = (
                await inbox.conversation_at(session, connection.connection_id, channel, known.external_id)
                if known
                else None
            )
            if known is None or conversation_id is None:
                # A conversation of the phone's own, in which we have no part.
                return
            handoff_id = await echoes.take(session, self._vault, conversation_id, known.contact_id, echo)
        if handoff_id is not None:
            await temporal.mention_handoff(self._temporal, connection.tenant_id, handoff_id)

    async def _on_preference(self, connection: ConnectionRef, wish: Preference) -> None:
        """Nothing of ours is marketing; that somebody wants none is on record."""
        names = Names(lasting=shapes.lasting(wish.user_id), number=shapes.number(wish.wa_id))
        async with self._database.tenant_session(connection.tenant_id) as session:
            known = await aliases.find(session, self._vault, connection, names)
            if known is not None and wish.value in ("stop", "resume"):
                audit.record(
                    session,
                    tenant_id=connection.tenant_id,
                    actor="contact",
                    action=f"contact.marketing_{'stopped' if wish.value == 'stop' else 'resumed'}",
                    subject_id=known.contact_id,
                )

    async def _on_user_id(self, connection: ConnectionRef, update: UserIdUpdate) -> None:
        number = shapes.number(update.wa_id)
        before = Names(lasting=shapes.lasting(update.user_id.previous), number=number)
        await self._rename(connection, before, Names(lasting=shapes.lasting(update.user_id.current), number=number))

    async def _rename(self, connection: ConnectionRef, before: Names, now: Names) -> None:
        if not before.key or not now.key:
            raise BadInput("WhatsApp says that somebody is called otherwise now, and not how.")
        async with self._database.tenant_session(connection.tenant_id) as session:
            await aliases.rename(session, self._vault, connection, before, now)

    async def _on_status(self, connection: ConnectionRef, status: Status) -> None:
        if status.status not in _STATUSES or not status.id:
            log.info("whatsapp_status_ignored", status=status.status[:40])
            return
        code = status.errors[0].code if status.errors else ""
        receipt = Receipt(
            external_id=status.id[:MOST_ID_CHARACTERS],
            status=_STATUSES[status.status],
            at=status.timestamp or datetime.now(UTC),
            message_id=id_in(status.biz_opaque_callback_data),
            code=MEANINGS.get(code, f"whatsapp_{code[:20]}" if code else "unknown"),
        )
        async with self._database.tenant_session(connection.tenant_id) as session:
            taken = await receipts.take(session, connection.connection_id, receipt)
        if taken is not None and taken.handoff_id is not None:
            await temporal.mention_handoff(self._temporal, connection.tenant_id, taken.handoff_id)
        if taken is not None and taken.template_id is not None:
            await temporal.send(self._temporal, connection.tenant_id, taken.conversation_id, [taken.template_id])


def _is_of(known: Profile, message: Message) -> bool:
    return bool(
        (known.wa_id and known.wa_id == message.from_)
        or (known.user_id and known.user_id in (message.from_user_id, message.from_))
    )


def _changed(system: System, names: Names) -> tuple[Names, Names]:
    """Who somebody was, and who they are now. Where no field says who they were, the sentence does."""
    now = Names(lasting=shapes.lasting(system.user_id), number=shapes.number(system.wa_id, system.new_wa_id))
    told = [word.strip(".,") for word in system.body.rpartition(" changed from ")[2].split()]
    before = Names(
        lasting=shapes.lasting(
            system.previous_user_id, *(one for one in (names.lasting, *told[:1]) if one != now.lasting)
        ),
        number=names.number,
    )
    return before, now
