"""Whether a tenant's trail is as it was written: events by chain, chains by their seals, seals by their anchors."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Row, Select, Text, case, cast, extract, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.audit import chain
from konstruct.audit.anchors import Anchors, Restored
from konstruct.audit.breaks import Break, Broken, Place
from konstruct.audit.chain import Link
from konstruct.db import Database
from konstruct.tables import AuditEvent, AuditHead, AuditSeal, AuditSealLeaf

ROWS_AT_ONCE: Final = 2_000

# A time that is not finite was never written. In the order of Link's fields, and then what is compared with it.
_MICROSECONDS: Final = case(
    (
        func.isfinite(col(AuditEvent.created_at)),
        cast(extract("epoch", col(AuditEvent.created_at)) * 1_000_000, BigInteger),
    ),
    else_=0,
)
_EVENTS: Final = select(
    *(col(AuditEvent.tenant_id), col(AuditEvent.chain_id), col(AuditEvent.seq), col(AuditEvent.id), _MICROSECONDS),
    *(col(AuditEvent.actor), col(AuditEvent.action), col(AuditEvent.subject_id), col(AuditEvent.payload)),
    *(func.sha256(col(AuditEvent.content)), col(AuditEvent.prev)),
    *(col(AuditEvent.hash), col(AuditEvent.conversation_id), cast(col(AuditEvent.detail), Text)),
).order_by(col(AuditEvent.chain_id), col(AuditEvent.seq))
_HEADS: Final = select(
    col(AuditHead.chain_id), col(AuditHead.seq), col(AuditHead.hash), col(AuditHead.sealed_seq)
).order_by(col(AuditHead.chain_id))
_LEAVES: Final = select(
    col(AuditSealLeaf.chain_id), col(AuditSealLeaf.seq), col(AuditSealLeaf.hash), col(AuditSealLeaf.number)
)
_SEALS: Final = select(
    *(col(AuditSeal.number), col(AuditSeal.sealed_at), col(AuditSeal.root), col(AuditSeal.previous)),
    *(col(AuditSeal.leaves), col(AuditSeal.anchored_at)),
).order_by(col(AuditSeal.number))

_RESTORED: Final = select(col(AuditEvent.detail)["restoration"].astext).where(
    col(AuditEvent.action) == "tenant.restored"
)

Progress = Callable[[int], None]
"""Told after some thousand events how many were looked at since it was told last."""


@dataclass
class Verified:
    events: int = 0
    chains: int = 0
    seals: int = 0
    anchored: int = 0
    """Seals that an anchor bears out."""
    unproven: int = 0
    """Events behind the newest anchor, or of chains that none speaks of: nothing outside vouches for them yet."""
    elsewhere: int = 0
    """Seals that were anchored, and of which no anchor that was given speaks, where that is no break."""
    restored: list[Restored] = field(default_factory=list)
    """Times that the database was put back to an earlier moment, and what is gone since without having been removed."""
    broken: Break | None = None
    """The first break that was found; what comes behind it was not looked at."""


async def verify(
    database: Database,
    tenant_id: UUID,
    anchors: Anchors,
    reread: Callable[[], Anchors],
    progress: Progress,
    *,
    only: UUID | None = None,
    has_all_anchors: bool = True,
) -> Verified:
    """Looks at a tenant's trail as it is at one moment, while it goes on being written.

    Args:
        anchors: As they were read before this call.
        reread: Reads them again, for a seal that was anchored after they were read.
        only: This chain alone, and the seals that hold it.
        has_all_anchors: Otherwise a seal may have been anchored in a file that is not among those that were given.
    """
    restored = anchors.restored.get(tenant_id, [])
    verified = Verified(restored=restored)
    roots = anchors.roots.get(tenant_id, {})
    try:
        async with database.tenant_session(tenant_id, snapshot=True) as session:
            await _Chains(session, tenant_id, verified, max(roots, default=0), progress).verify(only)
            missing = await _verify_seals(session, tenant_id, roots, verified, only)
            await _verify_restored(session, restored)
        if flaw := anchors.flaws.get(tenant_id):
            raise Broken(Break(f"{flaw}."))
        again = reread().roots.get(tenant_id, {}) if missing else {}
        unknown = [number for number in missing if number not in again]
        if not has_all_anchors:
            verified.elsewhere = len(unknown)
        elif unknown:
            number = unknown[0]
            raise Broken(Break("it was anchored, but no anchor that was given speaks of it.", seal=number))
    except Broken as error:
        verified.broken = error.found
    return verified


async def _verify_restored(session: AsyncSession, restored: Sequence[Restored]) -> None:
    """What is excused outside of the database is told of in it, unless that is itself gone with a later one."""
    told = set(await session.scalars(_RESTORED))
    for place, each in enumerate(restored):
        is_gone = any(later.of_moment < each.restored_at for later in restored[place + 1 :])
        if str(each.id) not in told and not is_gone:
            raise Broken(Break(f"{each}. But the trail tells nothing of that"))


class _Ahead:
    """The rows of a query, read some at a time, of which the next one can be looked at."""

    row: Row[Any] | None = None

    def __init__(self, partitions: AsyncIterator[Sequence[Row[Any]]]) -> None:
        self._partitions = partitions
        self._rows: Sequence[Row[Any]] = ()
        self._next = 0

    @classmethod
    async def of(cls, session: AsyncSession, query: Select[*tuple[Any, ...]]) -> "_Ahead":
        result = await session.stream(query, execution_options={"yield_per": ROWS_AT_ONCE})
        ahead = cls(result.partitions())
        await ahead.advance()
        return ahead

    async def advance(self) -> None:
        if self._next == len(self._rows):
            self._rows, self._next = await anext(self._partitions, []), 0
        self.row = self._rows[self._next] if self._rows else None
        self._next += 1

    def within(self, chain_id: UUID) -> Row[Any] | None:
        """The next row, if it is of this chain."""
        return self.row if self.row is not None and self.row.chain_id == chain_id else None


class _Chains:
    """Events, leaves and heads side by side, chain by chain, so that no more than one chain's place is remembered."""

    def __init__(
        self, session: AsyncSession, tenant_id: UUID, verified: Verified, anchored: int, progress: Progress
    ) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._verified = verified
        self._anchored = anchored
        self._progress = progress

    async def verify(self, only: UUID | None) -> None:
        events, heads, leaves = _EVENTS, _HEADS, _LEAVES.order_by("chain_id", "seq")
        if only is not None:
            events = events.where(col(AuditEvent.chain_id) == only)
            heads = heads.where(col(AuditHead.chain_id) == only)
            leaves = leaves.where(col(AuditSealLeaf.chain_id) == only)
        self._events = await _Ahead.of(self._session, events)
        self._heads = await _Ahead.of(self._session, heads)
        self._leaves = await _Ahead.of(self._session, leaves)
        while rows := [ahead.row for ahead in (self._events, self._heads, self._leaves) if ahead.row is not None]:
            await self._verify_chain(min(row.chain_id for row in rows))

    async def _verify_chain(self, chain_id: UUID) -> None:
        place, sealed, proven = Place(chain_id), 0, 0
        while (event := self._events.within(chain_id)) is not None:
            self._verify_event(place, event)
            while (leaf := self._leaves.within(chain_id)) is not None and leaf.seq <= place.seq:
                if (leaf.seq, leaf.hash) != (place.seq, place.hash):
                    what = f"it is not the event that seal {leaf.number} holds: the chain was rewritten up to here"
                    raise Broken(Break(f"{what}, from somewhere behind seq {sealed} on", chain_id, place.seq, event.id))
                sealed = place.seq
                proven = sealed if leaf.number <= self._anchored else proven
                await self._leaves.advance()
            await self._events.advance()
        if (leaf := self._leaves.within(chain_id)) is not None:
            raise Broken(
                Break(
                    f"the chain ends at seq {place.seq}, but seal {leaf.number} holds it up to seq {leaf.seq}: "
                    "events at its end were removed",
                    chain_id,
                    place.seq + 1,
                )
            )
        self._verify_head(place, self._heads.within(chain_id), sealed)
        await self._heads.advance()
        self._verified.chains += 1
        self._verified.unproven += place.seq - proven

    def _verify_event(self, place: Place, event: Row[Any]) -> None:
        *hashed, own, conversation_id, detail = tuple(event)
        link = Link(*hashed)
        place.follow(link, own)
        if chain.reread(detail) != link.payload:
            raise Broken(Break("its detail is not what its payload says", link.chain_id, link.seq, link.id))
        if conversation_id != (None if link.chain_id == self._tenant_id else link.chain_id):
            raise Broken(Break("it names another conversation than its chain", link.chain_id, link.seq, link.id))
        self._verified.events += 1
        if self._verified.events % ROWS_AT_ONCE == 0:
            self._progress(ROWS_AT_ONCE)

    def _verify_head(self, place: Place, head: Row[Any] | None, sealed: int) -> None:
        if head is None:
            raise Broken(Break("the chain's head was removed", place.chain_id, place.seq))
        if (head.seq, head.hash) != (place.seq, place.hash):
            what = f"the chain ends here, but its head says seq {head.seq}: events at its end were removed or put there"
            raise Broken(Break(what, place.chain_id, place.seq))
        if head.sealed_seq != sealed:
            what = f"its head says that it is sealed up to seq {head.sealed_seq}, but the seals hold it up to {sealed}"
            raise Broken(Break(what, place.chain_id, place.seq))


async def _verify_seals(
    session: AsyncSession, tenant_id: UUID, roots: dict[int, bytes], verified: Verified, only: UUID | None
) -> list[int]:
    """The seals that the database takes for anchored and that no anchor speaks of. Of one chain's seals it is not known
    what came in between, so that each stands on what it says of the one before it."""
    leaves_of, seals_of = _LEAVES.order_by("number", "chain_id"), _SEALS
    if only is not None:
        holding = select(col(AuditSealLeaf.number)).where(col(AuditSealLeaf.chain_id) == only)
        leaves_of = leaves_of.where(col(AuditSealLeaf.number).in_(holding))
        seals_of = seals_of.where(col(AuditSeal.number).in_(holding))
    leaves, seals = await _Ahead.of(session, leaves_of), await _Ahead.of(session, seals_of)
    number, previous, missing = 0, chain.START, []
    while (seal := seals.row) is not None:
        number, previous = (number + 1, previous) if only is None else (seal.number, seal.previous)
        if seal.number != number:
            raise Broken(Break("it is missing, but later ones are there: it was removed", seal=number))
        tree = chain.Tree()
        while leaves.row is not None and leaves.row.number == number:
            tree.add(chain.leaf(leaves.row.chain_id, leaves.row.seq, leaves.row.hash))
            await leaves.advance()
        if (
            seal.previous != previous
            or seal.leaves != tree.leaves
            or seal.root != chain.seal(tenant_id, number, seal.sealed_at, tree, previous)
        ):
            raise Broken(
                Break("its root is not that of what it holds: it or one of its leaves was changed", seal=number)
            )
        if number not in roots:
            missing += [number] if seal.anchored_at else []
        elif roots[number] != seal.root:
            what = f"its anchor holds another root: the trail behind seal {number - 1} was rewritten, seals and all"
            raise Broken(Break(what, seal=number))
        else:
            verified.anchored += 1
        previous = seal.root
        verified.seals += 1
        await seals.advance()
    if leaves.row is not None:
        raise Broken(Break("it is missing, but its leaves are there: it was removed", seal=leaves.row.number))
    if only is None and max(roots, default=0) > number:
        raise Broken(Break("it is anchored, but the database has it no longer: it was removed", seal=number + 1))
    return missing
