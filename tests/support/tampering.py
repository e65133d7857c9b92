"""What an administrator of the database may do to an audit trail, and what of it is named afterwards."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from konstruct.identity import new_id
from tests.support.trail import Trail

FIRST, SECOND = sorted([new_id(), new_id()])


async def tell(trail: Trail) -> None:
    """One chain of 25 events and one of 3 in the first seal, 5 more of the first in the second, and 2 in none."""
    await trail.write(FIRST, 25)
    await trail.write(SECOND, 3)
    await trail.seal()
    await trail.write(FIRST, 5)
    await trail.seal()
    await trail.write(FIRST, 2)


@dataclass(frozen=True)
class Tampering:
    what: str
    change: Callable[[Trail, Any], Awaitable[object]]
    chain: UUID | None = None
    seq: int | None = None
    seal: int | None = None
    says: str = ""


def of_event(assignment: str, seq: int = 10) -> Callable[[Trail, Any], Awaitable[object]]:
    return lambda trail, administrator: administrator.execute(
        f"update audit_events set {assignment} where tenant_id = $1 and chain_id = $2 and seq = $3",
        *(trail.tenant_id, FIRST, seq),
    )


async def edit_and_hash(trail: Trail, administrator: Any, seq: int, last: int | None) -> None:
    await of_event("payload = '{\"number\":7}', detail = '{\"number\": 7}'", seq)(trail, administrator)
    await trail.rehash(FIRST, seq, last)


async def rewrite_and_reseal(trail: Trail, administrator: Any) -> None:
    await edit_and_hash(trail, administrator, 20, None)
    await trail.reseal()


def remove(table: str, which: str) -> Callable[[Trail, Any], Awaitable[object]]:
    return lambda trail, administrator: administrator.execute(
        f"delete from {table} where tenant_id = $1 and {which}", trail.tenant_id
    )


async def swap(trail: Trail, administrator: Any) -> None:
    for place, to in ((10, -1), (11, 10), (-1, 11)):
        await of_event(f"seq = {to}", place)(trail, administrator)


async def cut_end(trail: Trail, administrator: Any) -> None:
    await remove("audit_events", f"chain_id = '{FIRST}' and seq > 27")(trail, administrator)
    await trail.rehash(FIRST, 27)


async def remove_chain(trail: Trail, administrator: Any) -> None:
    for table in ("audit_events", "audit_heads"):
        await remove(table, f"chain_id = '{SECOND}'")(trail, administrator)


async def remove_chain_and_leaves(trail: Trail, administrator: Any) -> None:
    await remove_chain(trail, administrator)
    await remove("audit_seal_leaves", f"chain_id = '{SECOND}'")(trail, administrator)


async def remove_seals(trail: Trail, administrator: Any, which: str) -> None:
    await remove("audit_seal_leaves", which)(trail, administrator)
    await remove("audit_seals", which)(trail, administrator)
    await administrator.execute(
        "update audit_heads h set sealed_seq = coalesce((select max(l.seq) from audit_seal_leaves l where"
        " (l.tenant_id, l.chain_id) = (h.tenant_id, h.chain_id)), 0) where tenant_id = $1",
        trail.tenant_id,
    )


def of_head(assignment: str) -> Callable[[Trail, Any], Awaitable[object]]:
    return lambda trail, administrator: administrator.execute(
        f"update audit_heads set {assignment} where tenant_id = $1 and chain_id = $2", trail.tenant_id, FIRST
    )


CHANGED: Final = "something in it was changed"

TAMPERINGS: Final = [
    Tampering("an edited payload", of_event("payload = '{\"number\":7}'"), FIRST, 10, says=CHANGED),
    Tampering("an edited detail", of_event("detail = '{\"number\": 7}'"), FIRST, 10, says="its detail is not"),
    Tampering("a detail of another kind", of_event('detail = \'{"number": "9"}\''), FIRST, 10, says="its detail"),
    Tampering("a detail with too long a number", of_event(f"detail = '{'9' * 5000}'"), FIRST, 10, says="its detail"),
    Tampering("an edited event with its own hash", lambda t, a: edit_and_hash(t, a, 10, 10), FIRST, 11, says="seq 10"),
    Tampering("an edited last event with its own hash", lambda t, a: edit_and_hash(t, a, 32, 32), FIRST, 32),
    Tampering("a microsecond", of_event("created_at = created_at + interval '1 us'"), FIRST, 10, says=CHANGED),
    Tampering("a time that is none", of_event("created_at = 'infinity'"), FIRST, 10, says=CHANGED),
    Tampering("a shifted field", of_event("actor = 'employeem', action = 'essage.sent'"), FIRST, 10, says=CHANGED),
    Tampering("another subject", of_event("subject_id = gen_random_uuid()"), FIRST, 10, says=CHANGED),
    Tampering("no subject", of_event("subject_id = null"), FIRST, 10, says=CHANGED),
    Tampering("another id", of_event("id = gen_random_uuid()"), FIRST, 10, says=CHANGED),
    Tampering("another content", of_event("content = 'x'"), FIRST, 10, says=CHANGED),
    Tampering("no content", of_event("content = null"), FIRST, 10, says=CHANGED),
    Tampering(
        "another conversation", of_event(f"conversation_id = '{SECOND}'"), FIRST, 10, says="another conversation"
    ),
    Tampering(
        "a removed event", remove("audit_events", f"chain_id = '{FIRST}' and seq = 10"), FIRST, 11, says="removed"
    ),
    Tampering("a removed first event", remove("audit_events", f"chain_id = '{FIRST}' and seq = 1"), FIRST, 2),
    Tampering("two that changed places", swap, FIRST, 10, says=CHANGED),
    Tampering("the last five removed, head and all", cut_end, FIRST, 28, says="seal 2 holds it up to seq 30"),
    Tampering("a chain removed with its head", remove_chain, SECOND, 1, says="seal 1 holds it up to seq 3"),
    Tampering("a chain removed with its leaves", remove_chain_and_leaves, seal=1, says="leaves was changed"),
    Tampering(
        "all rewritten from seq 20 on", lambda t, a: edit_and_hash(t, a, 20, None), FIRST, 25, says="that seal 1 holds"
    ),
    Tampering("all rewritten, with its seals", rewrite_and_reseal, seal=1, says="its anchor holds another root"),
    Tampering(
        "all seals removed", lambda t, a: remove_seals(t, a, "true"), seal=1, says="the database has it no longer"
    ),
    Tampering("the last seal removed", lambda t, a: remove_seals(t, a, "number = 2"), seal=2, says="no longer"),
    Tampering("an earlier seal removed", lambda t, a: remove_seals(t, a, "number = 1"), seal=1, says="it was removed"),
    Tampering("a seal without its leaves", remove("audit_seals", "number = 2"), seal=2, says="its leaves are there"),
    Tampering("a head that was put back", of_head("seq = 31"), FIRST, 32, says="its head says seq 31"),
    Tampering("a head removed", remove("audit_heads", f"chain_id = '{FIRST}'"), FIRST, 32, says="head was removed"),
    Tampering(
        "a head that is never sealed", of_head("sealed_seq = 1000000"), FIRST, 32, says="sealed up to seq 1000000"
    ),
]
