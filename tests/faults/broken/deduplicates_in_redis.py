"""A gateway that asks a cache whether it knows a message, before the message is durable: what it was killed between the
two with counts as known when it comes again."""

import os
import sys

from redis.asyncio import Redis

from konstruct import inbox
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.identity import ConversationId, MessageId, new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import Limiter
from konstruct.vault import Vault
from tests.faults.wrapping import go_on

accept = inbox.accept
known = Redis.from_url(os.environ["KONSTRUCT_REDIS_URL"])


async def accept_once(
    database: Database, vault: Vault, limiter: Limiter, connection: ConnectionRef, inbound: Inbound
) -> Accepted:
    if not await known.set(f"seen:{connection.connection_id}:{inbound.external_id}", 1, nx=True):
        return Accepted(ConversationId(new_id()), MessageId(new_id()), is_new=False)
    return await accept(database, vault, limiter, connection, inbound)


if __name__ == "__main__":
    inbox.accept = accept_once
    go_on(("konstruct", *sys.argv[1:]))
