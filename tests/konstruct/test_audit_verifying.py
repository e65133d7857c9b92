"""What an administrator of the database does to the trail is found, and the first link that it broke is named."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from konstruct import audit
from konstruct.audit import anchors
from konstruct.audit.anchors import Restored
from konstruct.audit.signing import Signatures
from konstruct.identity import new_id
from konstruct.tables import AuditSeal
from tests.support.trail import Trail

FIRST, SECOND = sorted([new_id(), new_id()])


@pytest.fixture
async def told(trail: Trail) -> Trail:
    """One chain of 25 events and one of 3 in the first seal, 5 more of the first in the second, and 2 in none."""
    await trail.write(FIRST, 25)
    await trail.write(SECOND, 3)
    await trail.seal()
    await trail.write(FIRST, 5)
    await trail.seal()
    await trail.write(FIRST, 2)
    return trail


async def test_a_trail_that_nobody_touched_is_whole(told: Trail) -> None:
    verified = await told.verify()
    # One event and one chain more: the office's connection was installed.
    assert (verified.broken, verified.events, verified.chains) == (None, 36, 3)
    assert (verified.seals, verified.anchored, verified.unproven) == (2, 2, 2)


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


CHANGED = "something in it was changed"

TAMPERINGS = [
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


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.what)
async def test_what_an_administrator_changes_is_named(told: Trail, tampering: Tampering) -> None:
    events = {
        row["seq"]: row["id"]
        for row in await told.administrator.fetch(
            "select seq, id from audit_events where tenant_id = $1 and chain_id = $2", told.tenant_id, FIRST
        )
    }
    async with told.tampering() as administrator:
        await tampering.change(told, administrator)

    broken = (await told.verify()).broken

    assert broken is not None
    assert (broken.chain_id, broken.seq, broken.seal) == (tampering.chain, tampering.seq, tampering.seal)
    assert tampering.says in str(broken)
    if broken.event_id and tampering.what not in ("another id", "two that changed places"):
        assert tampering.seq is not None
        assert broken.event_id == events[tampering.seq]


async def test_what_came_after_the_last_anchor_is_counted_since_nothing_vouches_for_it(told: Trail) -> None:
    async with told.tampering() as administrator:
        await remove("audit_events", f"chain_id = '{FIRST}' and seq > 30")(told, administrator)
        await told.rehash(FIRST, 30)
    verified = await told.verify()
    assert (verified.broken, verified.unproven) == (None, 0)


async def test_a_rewritten_trail_that_is_anchored_again_contradicts_its_first_anchor(told: Trail) -> None:
    async with told.tampering() as administrator:
        await rewrite_and_reseal(told, administrator)
        await administrator.execute("update audit_seals set anchored_at = null where tenant_id = $1", told.tenant_id)
    await told.anchor()

    broken = (await told.verify()).broken

    assert broken is not None
    assert (broken.seal, "its anchor holds another root" in broken.what) == (1, True)


async def test_an_anchor_that_was_edited_forged_or_removed_is_named(told: Trail) -> None:
    whole = told.anchor_file.read_text()
    first, second = whole.splitlines()
    edited = json.loads(second)
    edited["root"] = edited["root"][::-1]
    forger = Signatures((SecretStr(Fernet.generate_key().decode()),))
    forged = forger.sign(
        {name: value for name, value in json.loads(second).items() if name not in ("key", "signature")}
    )
    for lines, says in (
        ([first, json.dumps(edited)], "line 2 of .* was edited or forged"),
        ([first, forged], "line 2 of .* a key that is not in KONSTRUCT_ENCRYPTION_KEYS"),
        ([first, second.replace(":", ";", 1)], "seal 2: it was anchored, but no anchor"),
        ([first], "seal 2: it was anchored, but no anchor"),
        ([second], "seal 1: it was anchored, but no anchor"),
        ([], "seal 1: it was anchored, but no anchor"),
    ):
        told.anchor_file.write_text("".join(f"{line}\n" for line in lines))
        broken = (await told.verify()).broken
        assert broken is not None
        assert re.search(says, str(broken))
    told.anchor_file.write_text(whole)
    assert (await told.verify()).broken is None


async def test_what_a_restored_database_lost_is_told_where_the_trail_tells_it_too(told: Trail) -> None:
    now = datetime.now(UTC)
    later = AuditSeal(tenant_id=told.tenant_id, number=3, sealed_at=now, root=b"\x01" * 32, previous=b"", leaves=1)
    anchors.append(told.anchor_file, [anchors.line(told.signatures, later)])
    removed = await told.verify()
    assert "seal 3" in str(removed.broken)
    assert "the database has it no longer" in str(removed.broken)

    put_back = Restored(new_id(), now - timedelta(hours=1), now, through=2)
    anchors.append(told.anchor_file, [anchors.line_of_restoration(told.signatures, told.tenant_id, put_back)])
    excused = await told.verify()
    assert "But the trail tells nothing of that" in str(excused.broken)

    async with told.office.session() as session:
        of = told.tenant_id
        audit.record(session, tenant_id=of, actor="operator", action="tenant.restored", restoration=str(put_back.id))
    verified = await told.verify()
    assert verified.broken is None
    assert [(each, each.lost) for each in verified.restored] == [(put_back, {3})]
