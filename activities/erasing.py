"""Erasing a person, as somebody put it down; an attempt that died is made good by the next."""

from dataclasses import dataclass

from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct import erasing
from konstruct.contracts.upkeep import Asked
from konstruct.db import Database
from konstruct.ports import Windows
from konstruct.vault import Vault


@dataclass(frozen=True)
class Erasing:
    database: Database
    vault: Vault
    windows: Windows

    @activity.defn(name="erase_contact")
    async def erase_contact(self, asked: Asked) -> None:
        async with heartbeat():
            await erasing.carry_out(self.database, self.vault, self.windows, asked.tenant_id, asked.id)
