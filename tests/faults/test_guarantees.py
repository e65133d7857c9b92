"""What is wrong on purpose is found out; what is right is tried with its subjects, see guarantees.py."""

import asyncpg
import pytest
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.vault import Vault
from tests.faults.guarantees import Standing, afterwards, pooled, skewed, tampered
from tests.support.memories import MODEL
from tests.support.tampering import TAMPERINGS

SEED = 20261129


@pytest.fixture
def place(postgres: Postgres, owner_url: SecretStr, database: Database, vault: Vault) -> Standing:
    return Standing(postgres.app_url, owner_url.get_secret_value(), database, vault)


async def test_connections_that_remember_their_tenant_are_found_out(place: Standing) -> None:
    outcome = await pooled(place, 100, SEED, careless=True)
    assert set(outcome.amiss) == {"of_nobody"}, outcome.counts()


async def test_a_shared_index_that_is_filtered_afterwards_is_found_out(place: Standing) -> None:
    outcome = await skewed(place, 1, SEED, recalls=afterwards)
    # Another test's run would embed them all anew, with its own model.
    administrator = await asyncpg.connect(place.owner_url)
    await administrator.execute("delete from memories where embedded_with = $1", MODEL)
    await administrator.close()
    assert set(outcome.amiss) == {"too_few", "recall_below_95_of_100"}, outcome.counts()


async def test_anchors_within_reach_of_whoever_tampers_are_found_out(place: Standing) -> None:
    outcome = await tampered(place, len(TAMPERINGS), SEED, anchors_within_reach=True)
    assert "all rewritten, with its seals" in outcome.amiss["unnoticed"], outcome.counts()
