"""Events as NDJSON with their proof, which can be checked without the database; the last line says what the file is."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.audit import chain
from konstruct.audit.breaks import Break, Broken, Place
from konstruct.audit.chain import Link
from konstruct.audit.finding import Filters
from konstruct.audit.signing import Signatures, holds
from konstruct.tables import AuditEvent, AuditSeal

KIND: Final = "konstruct audit export v1"
ROWS_AT_ONCE: Final = 1_000

_COLUMNS: Final = (
    *(col(AuditEvent.tenant_id), col(AuditEvent.chain_id), col(AuditEvent.seq), col(AuditEvent.id)),
    *(col(AuditEvent.created_at), col(AuditEvent.actor), col(AuditEvent.action), col(AuditEvent.subject_id)),
    *(col(AuditEvent.payload), func.sha256(col(AuditEvent.content)).label("content_hash")),
    *(col(AuditEvent.prev), col(AuditEvent.hash)),
)


async def export(
    session: AsyncSession, tenant_id: UUID, signatures: Signatures, filters: Filters, limit: int | None = None
) -> AsyncIterator[str]:
    """Lines of JSON without their ends: the events chain by chain, then one about the file, which is signed.

    Args:
        session: A snapshot, so that the newest seal is that of the events.
        limit: The newest so many. None: all.
    """
    wanted = select(col(AuditEvent.id)).where(*filters.clauses())
    wanted = wanted.order_by(col(AuditEvent.created_at).desc(), col(AuditEvent.id).desc()).limit(limit)
    query = select(*_COLUMNS).order_by(col(AuditEvent.chain_id), col(AuditEvent.seq))
    query = query.where(*filters.clauses()) if limit is None else query.where(col(AuditEvent.id).in_(wanted))
    digest, events = hashlib.sha256(), 0
    result = await session.stream(query, execution_options={"yield_per": ROWS_AT_ONCE})
    async for rows in result.partitions():
        for row in rows:
            line = json.dumps(_document(row._mapping), ensure_ascii=False)
            digest.update(f"{line}\n".encode())
            events += 1
            yield line
    newest = select(AuditSeal).order_by(col(AuditSeal.number).desc()).limit(1)
    seal = (await session.scalars(newest)).one_or_none()
    yield signatures.sign(
        {
            "kind": KIND,
            "tenant": str(tenant_id),
            "exported_at": datetime.now(UTC).isoformat(),
            "events": events,
            "filters": filters.given() | ({} if limit is None else {"limit": limit}),
            "newest_seal": seal and {"number": seal.number, "root": seal.root.hex(), "at": seal.sealed_at.isoformat()},
            "digest": digest.hexdigest(),
        }
    )


def _document(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "tenant": str(row["tenant_id"]),
        "chain": str(row["chain_id"]),
        "seq": row["seq"],
        "id": str(row["id"]),
        "at": row["created_at"].isoformat(),
        "actor": row["actor"],
        "action": row["action"],
        "subject": row["subject_id"] and str(row["subject_id"]),
        # As text, since it is these very characters that are hashed.
        "payload": row["payload"].decode(),
        "content_sha256": row["content_hash"] and row["content_hash"].hex(),
        "prev": row["prev"].hex(),
        "hash": row["hash"].hex(),
    }


@dataclass
class Checked:
    events: int = 0
    chains: int = 0
    about: dict[str, Any] | None = None
    """The last line."""
    broken: str | None = None
    """The first line that does not hold, and why."""


def check(lines: Iterable[str]) -> Checked:
    """Whether an export is as it was written. That it held all there was, its signature alone vouches for."""
    reading, number = _Reading(), 0
    try:
        for number, line in enumerate(lines, start=1):
            reading.take(number, line)
        reading.end()
    except Broken as error:
        reading.checked.broken = f"line {number}: {error.found}" if reading.checked.about is None else str(error.found)
    return reading.checked


class _Reading:
    def __init__(self) -> None:
        self.checked = Checked()
        self._digest = hashlib.sha256()
        self._place: Place | None = None
        self._tenants: set[UUID] = set()
        self._gap: Break | None = None

    def take(self, number: int, line: str) -> None:
        if self.checked.about is not None:
            raise Broken(Break(f"line {number} stands behind the one that ends the file"))
        try:
            document = json.loads(line)
            if document.get("kind") == KIND:
                self.checked.about = document
                return
            link, own = _link(document)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Broken(Break("it is no event of an export")) from None
        self._digest.update(line.encode())
        self._follow(number, link, own)

    def _follow(self, number: int, link: Link, own: bytes) -> None:
        if self._place is None or link.chain_id != self._place.chain_id:
            if self._place is not None and link.chain_id < self._place.chain_id:
                raise Broken(Break("its chain stands in another place of the file", link.chain_id, link.seq, link.id))
            self._place = Place(link.chain_id)
            self.checked.chains += 1
        is_next = link.seq == self._place.seq + 1
        self._place.follow(link, own, gaps=True)
        if not is_next and self._gap is None:
            what = f"line {number} does not stand right behind the event before it, so lines in between were removed"
            self._gap = Break(what, link.chain_id, link.seq, link.id)
        self._tenants.add(link.tenant_id)
        self.checked.events += 1

    def end(self) -> None:
        about = self.checked.about
        if about is None:
            raise Broken(Break("it is the last one and does not say what the file is: the file was cut off"))
        # Only of one conversation or of all is it known that none may be missing in between.
        if self._gap is not None and not set(about.get("filters") or {}) - {"conversation_id"}:
            raise Broken(self._gap)
        if not holds(about):
            raise Broken(Break("the last line does not bear out its signature: it was edited"))
        if about["digest"] != self._digest.hexdigest() or {str(tenant) for tenant in self._tenants} - {about["tenant"]}:
            raise Broken(Break("the lines are not those that the last one was signed for"))


def _link(document: dict[str, Any]) -> tuple[Link, bytes]:
    seq = int(document["seq"])
    if not 0 < seq < 2**63:
        raise ValueError
    link = Link(
        UUID(document["tenant"]),
        UUID(document["chain"]),
        seq,
        UUID(document["id"]),
        chain.microseconds(datetime.fromisoformat(document["at"]).astimezone(UTC)),
        document["actor"],
        document["action"],
        UUID(document["subject"]) if document["subject"] else None,
        document["payload"].encode(),
        bytes.fromhex(document["content_sha256"]) if document["content_sha256"] else None,
        bytes.fromhex(document["prev"]),
    )
    return link, bytes.fromhex(document["hash"])
