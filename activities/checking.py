"""Checking a tenant's trail where the anchors lie, as somebody put it down."""

from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path

from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct.audit import anchors, checks
from konstruct.audit.signing import Signatures
from konstruct.contracts.upkeep import Asked
from konstruct.db import Database


@dataclass(frozen=True)
class Checking:
    database: Database
    signatures: Signatures
    anchor_file: Path

    @activity.defn(name="check_trail")
    async def check_trail(self, asked: Asked) -> None:
        read = partial(anchors.read, [self.anchor_file], self.signatures, partial(eq, asked.tenant_id))
        async with heartbeat():
            await checks.carry_out(self.database, asked.tenant_id, asked.id, read)

    @activity.defn(name="give_up_check")
    async def give_up_check(self, asked: Asked) -> None:
        async with self.database.tenant_session(asked.tenant_id) as session:
            await checks.give_up(session, asked.id)
