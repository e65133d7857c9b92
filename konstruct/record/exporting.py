"""A conversation written down whole, as JSON or as a text to read; piece by piece, so that it may be long."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final, Literal
from uuid import UUID

from konstruct import audit
from konstruct.db import Database
from konstruct.identity import TenantId
from konstruct.record import overview, timeline, wording
from konstruct.record.events import Event, Mark, Said
from konstruct.record.overview import Overview
from konstruct.vault import Vault

Format = Literal["json", "text"]
MEDIA_TYPES: Final[dict[Format, str]] = {"json": "application/json", "text": "text/plain; charset=utf-8"}
ENDINGS: Final[dict[Format, str]] = {"json": "json", "text": "txt"}
_GONE: Final = {
    "erased": "(erased with the contact)",
    "taken_back": "(taken back)",
    "let_go": "(let go of, as retention says)",
}


async def begin(
    database: Database, vault: Vault, tenant_id: TenantId, conversation_id: UUID, form: Format, *, actor: str
) -> Overview:
    """Takes note of it in the trail. Raises NotFound when the tenant has no such conversation."""
    async with database.tenant_session(tenant_id) as session:
        about = await overview.read(session, vault, conversation_id)
        audit.record(
            session,
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            actor=actor,
            action="conversation.exported",
            subject_id=about.contact_id,
            format=form,
        )
    return about


async def lines(
    database: Database, vault: Vault, tenant_id: TenantId, about: Overview, form: Format
) -> AsyncIterator[str]:
    """What ``begin`` gave, and all events after it. Each page is read in a transaction of its own."""
    write_head, write, write_end = (_head_of_json, _json, "\n]}\n") if form == "json" else (_head_of_text, _text, "")
    yield write_head(about)
    mark: Mark | None = None
    is_first = True
    while True:
        async with database.tenant_session(tenant_id) as session:
            events = await timeline.following(session, vault, about.conversation.id, mark)
        for event in events:
            yield write(event, is_first)
            is_first = False
        if len(events) < timeline.PAGE:
            break
        mark = max(event.mark for event in events)
    yield write_end


def document(event: Event) -> dict[str, Any]:
    """An event as JSON takes it."""
    kept: dict[str, Any] = {
        "id": str(event.id),
        "at": event.at.isoformat(),
        "kind": event.kind,
        "action": event.action,
        "actor": event.actor,
        "actor_name": event.actor_name,
        "turn_id": str(event.turn_id) if event.turn_id else None,
        "says": wording.sentence(event),
    }
    if event.text:
        kept["text"] = event.text
    if event.detail:
        kept["detail"] = dict(event.detail)
    if event.said is not None:
        kept["message"] = _message(event.said)
    if event.model is not None:
        model = event.model
        kept["model"] = vars(model) | {"cost": str(model.cost) if model.cost is not None else None}
    if event.tool is not None:
        kept["tool"] = vars(event.tool) | {"call_id": str(event.tool.call_id)}
    if event.judged is not None:
        kept["judged"] = vars(event.judged) | {"topics": list(event.judged.topics)}
    return kept


def _message(said: Said) -> dict[str, Any]:
    names = ("author", "name", "direction", "purpose", "text", "gone", "state", "error", "maybe_duplicate")
    moments = {name: getattr(said, name) for name in ("sent_at", "delivered_at", "read_at")}
    return {
        **{name: getattr(said, name) for name in names},
        **{name: at.isoformat() if at else None for name, at in moments.items()},
        "files": [
            {"id": str(file.file_id), "name": file.name, "state": file.state, "text": file.text} for file in said.files
        ],
    }


def _head_of_json(about: Overview) -> str:
    conversation = about.conversation
    head = {
        "conversation_id": str(conversation.id),
        "contact_id": str(about.contact_id),
        "contact": about.contact,
        "employee": about.employee_key,
        "channel": about.connection_key,
        "channel_kind": about.channel_kind,
        "began_at": conversation.created_at.isoformat(),
        "last_message_at": conversation.last_message_at.isoformat(),
        "cost": str(about.cost.dollars),
        "score": about.score,
    }
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "events": ['


def _json(event: Event, is_first: bool) -> str:
    return ("\n" if is_first else ",\n") + json.dumps(document(event), ensure_ascii=False)


def _head_of_text(about: Overview) -> str:
    conversation = about.conversation
    return (
        f"Conversation {conversation.id}\n"
        f"{about.employee} with {about.contact}, through {about.connection_key} ({about.channel_kind})\n"
        f"Began {_at(conversation.created_at)}, last message {_at(conversation.last_message_at)}\n"
        f"Models cost ${about.cost.dollars:.4f}\n"
    )


def _text(event: Event, is_first: bool) -> str:
    if event.said is not None:
        said = event.said
        words = _GONE[said.gone] if said.gone else said.text
        files = "".join(f"\n[File: {file.name}]" for file in said.files)
        failed = "" if said.state != "failed" else "\n(not delivered)"
        return f"\n[{_at(event.at)}] {said.name}\n{words}{files}{failed}\n"
    words = f"\n  {event.text}" if event.text else ""
    return f"\n[{_at(event.at)}] * {wording.sentence(event)}{words}\n"


def _at(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
