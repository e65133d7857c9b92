"""Making a tenant's tools and sources of knowledge be what its manifest says, in the transaction that applies it."""

from collections.abc import Iterable, Mapping
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.changes import Change
from konstruct.knowledge import sources
from konstruct.knowledge.sources import SourceSettings
from konstruct.manifest import Manifest
from konstruct.tables import KnowledgeSource, Tool
from konstruct.tools import defining
from konstruct.tools.defining import Definition
from konstruct.vault import Vault


async def equip(session: AsyncSession, vault: Vault, manifest: Manifest, tenant_id: UUID, actor: str) -> list[Change]:
    """What the file leaves out is left as it is: employees' published versions may still name it."""
    known = set(await session.scalars(select(col(Tool.key)).where(col(Tool.status) != "removed")))
    changes: list[Change] = []
    for key, wanted in manifest.tools.items():
        definition = Definition(wanted.kind, wanted.content(), wanted.secret)
        _, fields = await defining.put(session, vault, tenant_id, key, definition, actor)
        changes += _told("tool", key, fields, wanted.kind)
    changes += _left("tool", known, manifest.tools)
    known = set(await session.scalars(select(col(KnowledgeSource.key)).where(col(KnowledgeSource.status) != "removed")))
    for key, source in manifest.knowledge.items():
        settings = SourceSettings(source.kind, source.title, source.url, source.every, source.trusted)
        changed = await sources.put(session, tenant_id, key, settings, actor)
        changes += _told("knowledge", key, changed if key in known else None, source.kind)
    return changes + _left("knowledge", known, manifest.knowledge)


def _told(kind: Literal["tool", "knowledge"], key: str, fields: list[str] | None, what: str) -> list[Change]:
    """``fields``: what was altered; None of what was made."""
    if fields is None:
        return [Change("+", kind, key, what)]
    return [Change("~", kind, key, ", ".join(fields))] if fields else []


def _left(kind: Literal["tool", "knowledge"], known: Iterable[str], wanted: Mapping[str, object]) -> list[Change]:
    return [Change("=", kind, key, "not in the file, left as it is") for key in sorted(set(known) - set(wanted))]
