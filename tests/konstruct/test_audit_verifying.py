"""What an administrator of the database does to the trail is found, and the first link that it broke is named."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from konstruct import audit
from konstruct.audit import anchors
from konstruct.audit.anchors import Restored
from konstruct.audit.signing import Signatures
from konstruct.identity import new_id
from konstruct.tables import AuditSeal
from tests.support.tampering import FIRST, TAMPERINGS, Tampering, remove, rewrite_and_reseal, tell
from tests.support.trail import Trail


@pytest.fixture
async def told(trail: Trail) -> Trail:
    await tell(trail)
    return trail


async def test_a_trail_that_nobody_touched_is_whole(told: Trail) -> None:
    verified = await told.verify()
    # One event and one chain more: the office's connection was installed.
    assert (verified.broken, verified.events, verified.chains) == (None, 36, 3)
    assert (verified.seals, verified.anchored, verified.unproven) == (2, 2, 2)


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
