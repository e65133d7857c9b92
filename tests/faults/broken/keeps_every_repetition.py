"""A gateway that takes no message for a repetition: each copy that a channel sends is another message."""

import sys
from dataclasses import replace

from konstruct import inbox
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import Limiter
from konstruct.vault import Vault
from tests.faults.wrapping import go_on

accept = inbox.accept


async def accept_each(
    database: Database, vault: Vault, limiter: Limiter, connection: ConnectionRef, inbound: Inbound
) -> Accepted:
    another = replace(inbound, external_id=f"{inbound.external_id}:{new_id().hex}")
    return await accept(database, vault, limiter, connection, another)


if __name__ == "__main__":
    inbox.accept = accept_each
    go_on(("konstruct", *sys.argv[1:]))
