"""Every trail that went on is sealed and anchored, whatever was cut off before and whichever other one fails."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.upkeep import Sealing
from konstruct import audit
from konstruct.audit import anchors, sealing
from konstruct.contracts.upkeep import Sealed
from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.errors import Misconfigured
from konstruct.identity import new_id
from konstruct.tables import AuditHead
from konstruct.vault import Vault
from tests.support.office import open_office
from tests.support.trail import Trail


async def seal(trail: Trail, file: Path | None = None) -> Sealed:
    activity = Sealing(trail.office.database, trail.signatures, file or trail.anchor_file)
    sealed: Sealed = await ActivityEnvironment().run(activity.seal)
    return sealed


def lines(trail: Trail) -> list[int]:
    """The numbers of the tenant's seals in the order in which they were anchored."""
    written = [json.loads(line) for line in trail.anchor_file.read_text().splitlines()]
    return [line["seal"] for line in written if line["tenant"] == str(trail.tenant_id)]


async def test_what_went_on_is_sealed_and_what_did_not_is_left_alone(trail: Trail) -> None:
    first, second = new_id(), new_id()
    await trail.write(first, 3)
    await trail.write(second, 2)
    await seal(trail)
    await seal(trail)
    await trail.write(second, 1)
    await seal(trail)

    assert lines(trail) == [1, 2]
    leaves = await trail.administrator.fetch(
        "select number, chain_id, seq from audit_seal_leaves where tenant_id = $1 and chain_id <> $1"
        " order by number, seq",
        trail.tenant_id,
    )
    assert [tuple(row) for row in leaves] == [(1, second, 2), (1, first, 3), (2, second, 3)]
    verified = await trail.verify()
    assert (verified.broken, verified.seals, verified.anchored, verified.unproven) == (None, 2, 2, 0)


async def test_a_seal_whose_sealer_was_killed_before_it_was_anchored_is_anchored_by_the_next(trail: Trail) -> None:
    await trail.write(new_id(), 3)
    await sealing.seal(trail.office.database, trail.tenant_id)
    await seal(trail)
    assert lines(trail) == [1]
    assert (await trail.verify()).broken is None


async def test_an_anchor_whose_sealer_was_killed_before_it_was_noted_is_there_twice_and_holds(trail: Trail) -> None:
    await trail.write(new_id(), 3)
    await sealing.seal(trail.office.database, trail.tenant_id)
    async with trail.office.session() as session:
        written = [anchors.line(trail.signatures, each) for each in await sealing.unanchored(session)]
    anchors.append(trail.anchor_file, written)
    await seal(trail)
    assert lines(trail) == [1, 1]
    verified = await trail.verify()
    assert (verified.broken, verified.anchored) == (None, 1)


async def test_seals_wait_in_the_database_while_the_file_cannot_be_written(trail: Trail, tmp_path: Path) -> None:
    await trail.write(new_id(), 3)
    (tmp_path / "full").write_text("a file where the folder should be")
    for _ in range(2):
        with pytest.raises(Misconfigured, match="cannot be written"):
            await seal(trail, tmp_path / "full" / "audit.ndjson")
        await trail.write(new_id(), 1)
    # One event more: the office's connection was installed. Five of six are sealed, which proves nothing yet.
    verified = await trail.verify()
    assert (verified.broken, verified.seals, verified.unproven) == (None, 2, 6)
    await seal(trail)
    assert lines(trail) == [1, 2, 3]
    assert (await trail.verify()).unproven == 0


async def test_a_living_twin_makes_no_second_seal_of_the_same(trail: Trail) -> None:
    others = (await seal(trail)).failed
    for _ in range(4):
        await trail.write(new_id(), 3)
        both = await asyncio.gather(seal(trail), seal(trail))
        assert [each.failed for each in both] == [others, others]
    verified = await trail.verify()
    assert (verified.broken, verified.seals, verified.unproven) == (None, 5, 0)


async def test_a_trail_that_cannot_be_sealed_does_not_hold_up_the_others(
    trail: Trail, database: Database, vault: Vault
) -> None:
    others = (await seal(trail)).failed
    async with trail.tampering() as administrator:
        # It would have to be sealed a second time at the same place, which no seal can say.
        await administrator.execute("update audit_heads set sealed_seq = 0 where tenant_id = $1", trail.tenant_id)
    # Tenants are taken in the order of their ids: one that comes after it.
    later = await open_office(database, vault)

    assert (await seal(trail)).failed == others + 1

    async with later.session() as session:
        head = await session.get_one(AuditHead, (later.tenant_id, later.tenant_id))
    assert (head.sealed_seq, head.is_moved) == (head.seq, False)
    async with trail.tampering() as administrator:
        await administrator.execute("update audit_heads set sealed_seq = seq where tenant_id = $1", trail.tenant_id)


async def test_more_chains_than_one_seal_holds_are_sealed_in_one_run(trail: Trail) -> None:
    async with trail.office.session() as session:
        for _ in range(sealing.LEAVES_AT_MOST + 1):
            audit.record(
                session, tenant_id=trail.tenant_id, conversation_id=new_id(), actor="employee", action="message.sent"
            )
    await seal(trail)
    verified = await trail.verify()
    assert (verified.broken, verified.seals, verified.unproven) == (None, 2, 0)


@pytest.mark.parametrize("chains", [1, 2, 3, 4, 5, 7, 8, 9])
async def test_a_seal_of_any_size_is_what_the_verifier_works_out(trail: Trail, chains: int) -> None:
    await seal(trail)
    for chain_id in [new_id() for _ in range(chains)]:
        await trail.write(chain_id, 1)
    await seal(trail)
    verified = await trail.verify()
    assert (verified.broken, verified.anchored, verified.unproven) == (None, 2, 0)


async def test_what_is_committed_after_a_later_event_was_sealed_is_sealed_next(
    trail: Trail, postgres: Postgres
) -> None:
    slow: Any = await asyncpg.connect(postgres.app_url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("select set_config('app.tenant_id', $1, true)", str(trail.tenant_id))
    event = ([new_id()], [new_id()], ["employee"], ["message.sent"], [None], [b"{}"], [None])
    await slow.execute("select audit_append($1, $2, $3, $4, $5, $6, $7)", *event)
    await trail.write(new_id(), 1)
    await seal(trail)

    await transaction.commit()
    await slow.close()
    assert (await trail.verify()).unproven == 1
    await seal(trail)
    assert (await trail.verify()).unproven == 0
