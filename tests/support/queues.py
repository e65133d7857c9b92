"""Many conversations at once that wait for a person, or that nobody has to look after."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert

from konstruct.handoffs.owning import REASON
from konstruct.identity import new_id
from konstruct.tables import Contact, Conversation, Handoff, Message
from konstruct.tables.base import utc_now
from konstruct.window import MESSAGE
from tests.support.office import Office

_PRIORITIES: Final = ("normal", "low", "urgent", "normal", "high")


@dataclass(frozen=True)
class Waiting:
    conversation_id: UUID
    handoff_id: UUID | None
    priority: str
    since: datetime
    text: str


async def queue(office: Office, number: int, *, is_waiting: bool = True, contacts: int = 10) -> Sequence[Waiting]:
    """In the order in which they were begun, a minute between one and the next, the last one a minute ago; shared by so
    many contacts, each with a message of its own."""
    mark, now, made = secrets.token_hex(3), utc_now(), list[Waiting]()
    people: list[dict[str, Any]] = []
    for place in range(min(contacts, number)):
        contact_id = new_id()
        name = f"U{mark}{place}"
        named = {"connection_id": office.connection_id, "external_id": name, "person_id": contact_id}
        people.append({"tenant_id": office.tenant_id, "id": contact_id, **named})
    async with office.session() as session:
        await session.execute(insert(Contact), people)
        ciphers = [await office.vault.cipher(session, office.tenant_id, each["id"]) for each in people]
    rows: dict[Any, list[dict[str, Any]]] = {Conversation: [], Message: [], Handoff: []}
    for place in range(number):
        at, cipher = now - timedelta(minutes=number - place), ciphers[place % len(ciphers)]
        of_tenant = {"tenant_id": office.tenant_id, "created_at": at}
        conversation_id, message_id, handoff_id = new_id(), new_id(), new_id()
        each = Waiting(
            conversation_id,
            handoff_id if is_waiting else None,
            _PRIORITIES[place % len(_PRIORITIES)],
            at,
            f"Question {place:05} of {mark}",
        )
        made.append(each)
        rows[Conversation].append(
            of_tenant
            | {
                "id": conversation_id,
                "connection_id": office.connection_id,
                "contact_id": cipher.contact_id,
                "employee_id": office.employee_id,
                "channel": "C1",
                "root": f"{mark}.{place}",
                "owner": "queue" if is_waiting else "employee",
                "handoff_id": each.handoff_id,
                "last_seq": 1,
                "last_message_at": at,
                "contact_said_at": at,
            }
        )
        rows[Message].append(
            of_tenant
            | {
                "id": message_id,
                "conversation_id": conversation_id,
                "connection_id": office.connection_id,
                "contact_id": cipher.contact_id,
                "seq": 1,
                "direction": "inbound",
                "author": "contact",
                "state": "passed" if is_waiting else "answered",
                "sealed": cipher.seal(MESSAGE, message_id, each.text),
            }
        )
        if is_waiting:
            rows[Handoff].append(
                of_tenant
                | {
                    "id": handoff_id,
                    "conversation_id": conversation_id,
                    "contact_id": cipher.contact_id,
                    "priority": each.priority,
                    "cause": "employee",
                    "requested_by": "employee",
                    "sealed_reason": cipher.seal(REASON, handoff_id, "The contact asked for a person."),
                    "began_seq": 1,
                    "mirrored_seq": 0,
                }
            )
    async with office.session() as session:
        for table, found in rows.items():
            for start in range(0, len(found), 1_000):
                await session.execute(insert(table), found[start : start + 1_000])
    return made
